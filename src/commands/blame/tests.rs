//! Lines that go in and lines that come out.
use super::*;

/// The lines that come out for those that go in, and whether one failed.
fn judged(input: &[u8], table: Option<Table>) -> (Vec<String>, bool) {
    let mut session = Session { owners: Owners::default(), table, out: Vec::new(), failed: false };
    session.read(input, "test").unwrap();
    let text = String::from_utf8(session.out).unwrap();
    (text.lines().map(str::to_owned).collect(), session.failed)
}

fn field<'v>(line: &'v Value, key: &str) -> &'v str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}

const CRASHES: &str = concat!(
    r#"{"crash_id":"0190","bugcheck_code":"0xd1","args":["0x10","0x2","0x0","0xaa"],"stack":[],"#,
    r#""id":7,"fault":{"module":"acme.sys","offset":"0x20","origin":"parameter","parameter":4}}"#,
    "\n\n",
    "no facts\n",
    r#"{"id":"b","bugcheck_code":"0xe2","stack":5}"#,
    "\r\n  \n",
    r#"{"bugcheck_code":"0xe2","id":[[],[]]}"#,
);

#[test]
fn a_line_in_a_line_out() {
    let (lines, failed) = judged(CRASHES.as_bytes(), None);
    assert!(failed);
    let values: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [driver, garbage, wrong, manual] = values.as_slice() else { panic!("{lines:#?}") };
    assert!(lines[0].starts_with(r#"{"id":7,"crash_id":"0190","rules_version""#), "{}", lines[0]);
    assert_eq!((field(driver, "image_name"), field(driver, "confidence")), ("acme.sys", "high"));
    assert_eq!(field(driver, "failure_bucket_id"), "AV_acme!unknown_function");
    assert!(field(garbage, "error").starts_with("not facts of a crash"), "{garbage}");
    assert_eq!((&garbage["line"], &wrong["line"]), (&3.into(), &4.into()), "counted with blank lines");
    assert_eq!(field(wrong, "id"), "b");
    assert_eq!(field(manual, "culprit"), "manual");
    // What the engine says is what is written.
    let verdict: Verdict = serde_json::from_value(manual.clone()).unwrap();
    assert_eq!(verdict, judge(&Facts::from_json(r#"{"bugcheck_code":"0xe2"}"#).unwrap(), &Owners::default()));
}

#[test]
fn too_long_and_no_text() {
    let mut input = vec![b' '; MOST_LINE + 1];
    input.extend_from_slice(b"\n{\"bugcheck_code\":\"0xe2\"}\n\xff\n");
    let (lines, failed) = judged(&input, None);
    assert!(failed);
    let [long, fine, binary] = lines.as_slice() else { panic!("{} lines", lines.len()) };
    assert!(long.contains("longer than 16 MiB") && long.contains("\"line\":1"), "{long}");
    assert!(fine.contains("MANUALLY_INITIATED_CRASH"), "{fine}");
    assert!(binary.contains("not UTF-8"), "{binary}");
}

#[test]
fn a_table_for_people() {
    let (lines, _) = judged(CRASHES.as_bytes(), Some(Table::new(false)));
    let [heading, driver, garbage, wrong, manual] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(heading.starts_with("id ") && heading.ends_with("bucket"), "{heading}");
    for word in ["7 ", "0xd1", "acme.sys", "high", "faulting-instruction", "AV_acme!unknown_function"] {
        assert!(driver.contains(word), "{word}: {driver}");
    }
    assert!(garbage.starts_with("line 3 ") && garbage.ends_with("(no facts of a crash)"), "{garbage}");
    assert!(wrong.starts_with("b "), "{wrong}");
    assert!(manual.contains("(manual)"), "{manual}");
    let (lines, _) = judged(CRASHES.as_bytes(), Some(Table::new(true)));
    assert!(lines[1].contains("\x1b[1;31mhigh"), "{:?}", lines[1]);
}

#[test]
fn nothing_of_the_input_reaches_a_terminal_raw() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}\u{e0041}\u{7f}";
    let input = serde_json::json!({
        "id": hostile, "bugcheck_code": "0x9f", "args": ["0x3"], "process_name": hostile,
        "leads": [{"parameter": 4, "by": "irp", "module": format!("{hostile}.sys")}],
    });
    let input =
        format!("{input}\n{hostile}\n{{\"stack\":\"{hostile}\"}}\n{{\"bugcheck_code\":\"\u{9b}31m\"}}\n");
    for table in [None, Some(Table::new(false))] {
        let is_json = table.is_none();
        let (lines, _) = judged(input.as_bytes(), table);
        for line in &lines {
            assert!(!line.contains(blame::is_deceptive), "{line:?}");
        }
        if is_json {
            let verdict: Value = serde_json::from_str(&lines[0]).unwrap();
            assert_eq!((lines.len(), field(&verdict, "id")), (4, hostile), "escaped, not changed");
        }
    }
}
