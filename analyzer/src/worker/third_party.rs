//! Which loaded images are somebody else's than Windows': what machines are told apart by. Pure.

use blame::{Owner, known};
use storage::rows::CrashRow;
use storage::signals::MOST_MODULES;

use crate::Owners;

/// Lists them in the row, in load order.
pub(super) fn list(row: &mut CrashRow, owners: &Owners) {
    // A program's modules say nothing of the machine.
    if row.kind == "user" {
        return;
    }
    let loaded = row.drivers.iter().zip(&row.driver_timestamps).zip(&row.driver_sizes);
    for ((name, timestamp), size) in
        loaded.filter(|((name, _), _)| is_somebodys(name, owners)).take(MOST_MODULES)
    {
        row.third_party.push(name.clone());
        row.third_party_timestamps.push(*timestamp);
        row.third_party_sizes.push(*size);
    }
}

/// Whether an image is not Windows' own, as far as the table and the operator know.
fn is_somebodys(name: &str, owners: &Owners) -> bool {
    let inbox = || known(name).is_some_and(|driver| driver.inbox);
    owners.is_third_party(name) || (owners.of(name) != Owner::Ignore && !inbox())
}

#[cfg(test)]
mod tests {
    use blame::OwnersConfig;

    use super::*;

    #[test]
    fn windows_own_are_left_out_unless_the_operator_says_so() {
        let config = OwnersConfig {
            definite: vec!["ntfs.sys".to_owned()],
            ignore: vec!["ourshim*".to_owned()],
            ..OwnersConfig::default()
        };
        let owners = Owners::new(&config).unwrap();
        let names = ["ntoskrnl.exe", "csagent.sys", "ndis.sys", "ntfs.sys", "ourshim2.sys", "never-seen.sys"];
        let row = CrashRow {
            kind: "kernel".to_owned(),
            drivers: names.map(str::to_owned).to_vec(),
            driver_timestamps: (1..=6).collect(),
            driver_sizes: (11..=16).collect(),
            ..CrashRow::default()
        };
        let mut listed = row.clone();
        list(&mut listed, &owners);
        assert_eq!(listed.third_party, ["csagent.sys", "ntfs.sys", "never-seen.sys"]);
        assert_eq!(listed.third_party_timestamps, [2, 4, 6]);
        assert_eq!(listed.third_party_sizes, [12, 14, 16]);
        let mut user = CrashRow { kind: "user".to_owned(), ..row.clone() };
        list(&mut user, &owners);
        assert!(user.third_party.is_empty());

        let many = 300;
        let mut row = CrashRow {
            drivers: (0..many).map(|number| format!("vendor{number}.sys")).collect(),
            driver_timestamps: vec![1; many],
            driver_sizes: vec![1; many],
            ..row
        };
        list(&mut row, &owners);
        assert_eq!((row.third_party.len(), row.third_party_sizes.len()), (MOST_MODULES, MOST_MODULES));
    }
}
