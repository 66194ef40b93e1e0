//! Which targets hear of what: by severity, driver and tenant. Pure.

use detector::{Incident, Severity, Subject};

use super::DeliveryConfig;
use super::target::Target;

/// One rule: who hears of the incidents that it matches. A key that is left out matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Only incidents as loud as this.
    pub severity: Option<Severity>,
    /// Only incidents of drivers whose base name matches; `*` stands for any characters, `?` for one.
    pub driver: Option<String>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Names of those who hear of it.
    pub targets: Vec<String>,
    /// Whether the routes after this one are asked too.
    pub more: bool,
}

/// What routes look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) severity: Severity,
    pub(super) driver: &'a str,
    pub(super) tenant: &'a str,
}

impl<'a> Matter<'a> {
    pub(super) fn of(incident: &'a Incident) -> Self {
        let driver = match &incident.subject {
            Subject::Driver(name) | Subject::Silence(name, _) => name.as_str(),
            _ => "",
        };
        Self { severity: incident.severity, driver, tenant: &incident.tenant }
    }
}

impl DeliveryConfig {
    /// Who hears of this, in the configuration's order.
    ///
    /// Whoever hears of a ticket hears of a page too: an incident may begin as a ticket, and who was told that it
    /// began must be told that it became worse, and that it is over.
    pub(super) fn hearers(&self, matter: Matter<'_>) -> Vec<&Target> {
        if self.routes.is_empty() {
            return self.targets.iter().collect();
        }
        let mut names = Vec::new();
        for severity in [Severity::Sev2, Severity::Sev1] {
            if severity <= matter.severity {
                self.follow(Matter { severity, ..matter }, &mut names);
            }
        }
        self.targets.iter().filter(|target| names.contains(&target.name.as_str())).collect()
    }

    fn follow<'c>(&'c self, matter: Matter<'_>, names: &mut Vec<&'c str>) {
        for route in self.routes.iter().filter(|route| route.matches(matter)) {
            names.extend(route.targets.iter().map(String::as_str));
            if !route.more {
                return;
            }
        }
    }
}

impl Route {
    fn matches(&self, matter: Matter<'_>) -> bool {
        self.severity.is_none_or(|severity| severity == matter.severity)
            && self.driver.as_ref().is_none_or(|pattern| glob(pattern, matter.driver))
            && self.tenant.as_ref().is_none_or(|tenant| tenant == matter.tenant)
    }
}

/// Whether a name matches a pattern of `*` and `?`, however either is spelt. At most pattern times name steps.
fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // Where to go on after the last star took one character more.
    let (mut at, mut seen, mut retry) = (0, 0, None);
    while let Some(found) = name.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == found => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((after, taken)) = retry else { return false };
                retry = Some((after, taken + 1));
                (at, seen) = (after, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use super::super::target::TargetKind;
    use super::*;

    fn config(routes: Vec<Route>) -> DeliveryConfig {
        let target = |name: &str| Target {
            name: name.to_owned(),
            kind: TargetKind::Slack,
            url: "https://a.example/".into(),
            allow_private: false,
            template: None,
        };
        let targets = ["pager", "slack", "mail"].map(target).to_vec();
        DeliveryConfig { targets, routes, ..DeliveryConfig::default() }
    }

    fn to(targets: &[&str]) -> Route {
        Route { targets: targets.iter().map(|name| (*name).to_owned()).collect(), ..Route::default() }
    }

    fn heard(routes: Vec<Route>, severity: Severity, driver: &str, tenant: &str) -> Vec<String> {
        let config = config(routes);
        let hearers = config.hearers(Matter { severity, driver, tenant });
        hearers.into_iter().map(|target| target.name.clone()).collect()
    }

    #[test]
    fn without_routes_all_hear_all() {
        assert_eq!(heard(vec![], Severity::Sev2, "a.sys", ""), ["pager", "slack", "mail"]);
    }

    #[test]
    fn the_first_match_decides_and_more_goes_on() {
        let acme = Route { tenant: Some("acme".to_owned()), more: true, ..to(&["mail"]) };
        let falcon = Route { driver: Some("csagent*".to_owned()), ..to(&["pager"]) };
        let routes = vec![acme, falcon, to(&["slack"])];
        assert_eq!(heard(routes.clone(), Severity::Sev2, "csagent.sys", "acme"), ["pager", "mail"]);
        assert_eq!(heard(routes.clone(), Severity::Sev2, "csagent.sys", "other"), ["pager"]);
        assert_eq!(heard(routes.clone(), Severity::Sev2, "nt.sys", "other"), ["slack"]);
        assert_eq!(heard(routes, Severity::Sev2, "", "acme"), ["slack", "mail"]);
    }

    #[test]
    fn who_hears_of_a_ticket_hears_of_the_page_that_it_becomes() {
        let page = Route { severity: Some(Severity::Sev1), ..to(&["pager"]) };
        let ticket = Route { severity: Some(Severity::Sev2), ..to(&["slack"]) };
        for routes in [vec![page.clone(), ticket.clone()], vec![ticket, page]] {
            assert_eq!(heard(routes.clone(), Severity::Sev2, "a.sys", ""), ["slack"]);
            assert_eq!(heard(routes, Severity::Sev1, "a.sys", ""), ["pager", "slack"]);
        }
    }

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "a.sys", true),
            ("csagent.sys", "CSAgent.sys", true),
            ("csagent.sys", "csagent.sysx", false),
            ("cs*.sys", "csagent.sys", true),
            ("cs*.sys", "cs.sys.bak", false),
            ("?s*t.*s", "csagent.sys", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
        // Would take ages where each star tried every end.
        assert!(!glob(&"*a".repeat(30), &"a".repeat(29)));
        assert!(!glob(&format!("{}b", "a*".repeat(200)), &"a".repeat(2000)));
    }
}
