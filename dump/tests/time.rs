//! Points and spans of time.

use bluescope_dump::{FileTime, Ticks100ns};

#[test]
fn times_are_printed_as_rfc_3339() {
    for (ticks, text) in [
        (0, "1601-01-01T00:00:00.0000000Z"),
        (116_444_736_000_000_000, "1970-01-01T00:00:00.0000000Z"),
        (125_963_423_999_999_999, "2000-02-29T23:59:59.9999999Z"),
        (125_963_424_000_000_000, "2000-03-01T00:00:00.0000000Z"),
        (134_011_495_819_236_675, "2025-08-31T21:33:01.9236675Z"),
        (157_469_183_999_999_999, "2099-12-31T23:59:59.9999999Z"),
        (u64::MAX, "60056-05-28T05:36:10.9551615Z"),
    ] {
        assert_eq!(FileTime(ticks).to_string(), text);
    }
}

/// Every day of 800 years against a calendar that counts.
#[test]
fn every_day_has_its_date() {
    let (mut year, mut month, mut day) = (1601, 1, 1);
    for days in 0..292_194_u64 {
        let text = FileTime(days * 864_000_000_000).to_string();
        assert_eq!(text.split('T').next(), Some(&*format!("{year:04}-{month:02}-{day:02}")));
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
        day += 1;
        if day > length {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
}

#[test]
fn times_convert() {
    assert_eq!(FileTime(0).unix_ms(), -11_644_473_600_000);
    assert_eq!(FileTime::from_unix_seconds(0).unix_ms(), 0);
    assert_eq!(FileTime::from_unix_seconds(u32::MAX).unix_ms(), i64::from(u32::MAX) * 1000);
    assert_eq!(Ticks100ns(12_345_678).as_duration().as_nanos(), 1_234_567_800);
}
