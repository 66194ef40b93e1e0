-- Signs of life of one machine in ten, of one day.
INSERT INTO beats (tenant, machine, at)
SELECT '', concat('PC-', leftPad(toString(number * 10), 7, '0')), fromUnixTimestamp64Milli({at:Int64}, 'UTC')
FROM numbers(intDiv({machines:UInt64}, 10))
