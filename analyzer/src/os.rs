//! Builds of Windows to the names people use. Owns names only.

/// First build of each client release, newest first.
const CLIENTS: [(u32, &str); 9] = [
    (22000, "Windows 11"),
    (10240, "Windows 10"),
    (9600, "Windows 8.1"),
    (9200, "Windows 8"),
    (7600, "Windows 7"),
    (6000, "Windows Vista"),
    (3790, "Windows XP x64"),
    (2600, "Windows XP"),
    (2195, "Windows 2000"),
];

/// First build of each server release, newest first.
const SERVERS: [(u32, &str); 10] = [
    (26040, "Windows Server 2025"),
    (25398, "Windows Server 23H2"),
    (20348, "Windows Server 2022"),
    (17763, "Windows Server 2019"),
    (14393, "Windows Server 2016"),
    (9600, "Windows Server 2012 R2"),
    (9200, "Windows Server 2012"),
    (7600, "Windows Server 2008 R2"),
    (6001, "Windows Server 2008"),
    (3790, "Windows Server 2003"),
];

/// `Windows 10`, `Windows Server 2022`; `Windows` for a build that is older than every name.
pub(crate) fn name(build: u32, server: bool) -> String {
    let releases: &[(u32, &str)] = if server { &SERVERS } else { &CLIENTS };
    releases.iter().find(|release| build >= release.0).map_or("Windows", |release| release.1).to_owned()
}

/// First build of each version of the kernel, newest first.
const VERSIONS: [(u32, &str); 8] = [
    (10240, "10.0"),
    (9600, "6.3"),
    (9200, "6.2"),
    (7600, "6.1"),
    (6000, "6.0"),
    (3790, "5.2"),
    (2600, "5.1"),
    (2195, "5.0"),
];

/// `10.0.19041`; the build alone where it is older than every version.
pub(crate) fn version(build: u32) -> String {
    match VERSIONS.iter().find(|version| build >= version.0) {
        Some((_, version)) => format!("{version}.{build}"),
        None => build.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions() {
        let check = |build, expected| assert_eq!(super::version(build), expected);
        check(19041, "10.0.19041");
        check(9600, "6.3.9600");
        check(7601, "6.1.7601");
        check(0, "0");
    }

    #[test]
    fn names() {
        let check = |build, server, expected| assert_eq!(super::name(build, server), expected);
        check(19041, false, "Windows 10");
        check(26100, false, "Windows 11");
        check(26100, true, "Windows Server 2025");
        check(17763, true, "Windows Server 2019");
        check(7601, false, "Windows 7");
        check(0, false, "Windows");
    }
}
