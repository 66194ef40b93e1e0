//! From elements that are beyond expectation to causes: one for each set of machines that went dark together, and only
//! where those with it went dark and those without it, beside them, did not.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::fleet::{ByKind, Element, Fleet, Kin};
use super::machines::{KINDS, Life, Machines};
use super::tenant::Tenant;
use super::usual::HUMAN;
use crate::names::NameId;

/// Machines of one cause at least, beyond the two largest sites.
const SPREAD: f64 = 8.0;
/// And in fleets of few sites, where none can be left out.
pub(super) const FEW_SITES: u64 = 6;
const CLOSE: f64 = 12.0;
/// Times what was expected.
const BEYOND: f64 = 4.0;
/// And for what is looked at at all.
pub(super) const NEARLY_BEYOND: f64 = 2.0;
/// Times as fast as people leave, where speed is all that tells.
const HURRY: f64 = 2.0;
/// Candidates that are looked at more closely.
const CLOSER: usize = 64;
/// Causes that are found at one look, and candidates that are refused before it is given up.
const LOOKS: usize = 8;
/// Odds of being dark, with it against without it, at least.
const ODDS: f64 = 3.0;
/// An explanation as good as the best, but for this share.
const AS_GOOD: f64 = 0.98;

/// A cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cause {
    pub(super) element: u32,
    /// Its machines that are dark.
    pub(super) machines: u32,
    pub(super) sites: u64,
}

/// Machines that went dark since a moment and are dark now, by what they have in common.
#[derive(Debug, Default)]
pub(super) struct Gone {
    profiles: HashMap<u32, ByKind, FixedState>,
    /// Whether they are the latest only: more went dark than are remembered one by one. Then they show who they are, and
    /// the charts how many.
    is_cut: bool,
}

impl Gone {
    /// Leaves out the machines with an element.
    fn leave_out(&mut self, fleet: &Fleet, element: u32) {
        self.profiles
            .retain(|id, _| fleet.profiles.get(*id).is_some_and(|profile| !fleet.has(profile, element)));
    }
}

/// What is counted at each site, or of each model, by kind.
type Sites = HashMap<NameId, [Cell; KINDS], FixedState>;

/// With the element and without it, dark and awake, of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    dark_with: f64,
    awake_with: f64,
    dark_without: f64,
    awake_without: f64,
}

/// Machines that went dark since `since_s` and still are, without those of which the cause is known.
pub(super) fn dark_since(fleet: &Fleet, machines: &Machines, tenant: &Tenant, since_s: u32) -> Gone {
    let is_cut = tenant.is_full() && tenant.lately.front().is_some_and(|went| went.at_s > since_s);
    let mut gone = Gone { is_cut, ..Gone::default() };
    let mut seen: HashSet<u32, FixedState> = HashSet::default();
    for went in tenant.lately.iter().rev().take_while(|went| went.at_s >= since_s) {
        let Some(machine) = machines.get(went.machine()) else { continue };
        if machine.life() != Life::Dark || !seen.insert(went.machine()) {
            continue;
        }
        if let Some(count) = gone.profiles.entry(machine.profile).or_default().get_mut(went.kind()) {
            *count += 1;
        }
    }
    gone.profiles.retain(|id, _| {
        fleet
            .profiles
            .get(*id)
            .is_some_and(|profile| !tenant.alarms.iter().any(|alarm| fleet.has(profile, alarm.element)))
    });
    gone
}

/// Which of the candidates explain the dark machines.
pub(super) fn causes(
    fleet: &Fleet,
    tenant: &Tenant,
    dark: &mut Gone,
    candidates: &[u32],
    now_ms: i64,
) -> Vec<Cause> {
    let total = sum(dark.profiles.values());
    let mut left: Vec<(u32, &Element, f64)> = candidates
        .iter()
        .filter_map(|id| {
            let element = fleet.elements.get(*id)?;
            Some((*id, element, gain(element.chart.machines.min(total), element, total, tenant, now_ms)?))
        })
        .collect();
    left.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    left.truncate(CLOSER);

    let mut causes = Vec::new();
    for _ in 0..LOOKS {
        let total = sum(dark.profiles.values());
        let inventories = by_inventory(fleet, dark);
        let all_of =
            |element: &Element, machines| if dark.is_cut { element.chart.machines } else { machines };
        for (id, element, worth) in &mut left {
            let machines = with(fleet, &inventories, *id);
            let enough = f64::from(machines) >= SPREAD
                && element.chart.is_beyond(all_of(element, machines), NEARLY_BEYOND);
            *worth = enough.then(|| gain(machines, element, total, tenant, now_ms)).flatten().unwrap_or(-1.0);
        }
        left.retain(|(_, _, worth)| *worth > 0.0);
        let Some(best) = best(fleet, &left) else { break };
        let machines = with(fleet, &inventories, best);
        let is_beyond = |element: &Element| element.chart.is_beyond(all_of(element, machines), BEYOND);
        let cause = if fleet.elements.get(best).is_some_and(is_beyond) {
            confirm(fleet, tenant, dark, best, now_ms)
        } else {
            // What explains best will be surer soon. Until then nothing is said of its machines: whatever else they share
            // would be named in its place.
            dark.leave_out(fleet, best);
            None
        };
        if let Some(cause) = cause {
            causes.push(cause);
            dark.leave_out(fleet, best);
        } else {
            left.retain(|(id, _, _)| *id != best);
        }
    }
    causes
}

fn sum<'a>(counts: impl Iterator<Item = &'a ByKind>) -> u32 {
    counts.flatten().fold(0, |sum, count| sum.saturating_add(*count))
}

/// Dark machines by inventory.
fn by_inventory(fleet: &Fleet, dark: &Gone) -> HashMap<u32, u32, FixedState> {
    let mut inventories = HashMap::default();
    for (id, counts) in &dark.profiles {
        if let Some(profile) = fleet.profiles.get(*id) {
            *inventories.entry(profile.kin.inventory).or_default() += counts.iter().sum::<u32>();
        }
    }
    inventories
}

/// Dark machines that have an element.
fn with(fleet: &Fleet, inventories: &HashMap<u32, u32, FixedState>, element: u32) -> u32 {
    let has = |id: u32| fleet.elements_of(id).binary_search(&element).is_ok();
    inventories.iter().filter(|(id, _)| has(**id)).fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// How much better "those with it and those without it differ" explains who is dark than "all are alike"; none where
/// those with it are not the ones.
fn gain(machines: u32, element: &Element, total: u32, tenant: &Tenant, now_ms: i64) -> Option<f64> {
    let awake = f64::from(sum(std::iter::once(&element.awake))) + element.left(now_ms);
    let all_awake = f64::from(sum(std::iter::once(&tenant.awake)));
    let (a, b) = (f64::from(machines), awake);
    let (c, d) = (f64::from(total.saturating_sub(machines)), (all_awake - awake).max(0.0));
    if a * (c + d) <= c * (a + b) {
        return None;
    }
    let part = |dark: f64, awake: f64| {
        let of = |count: f64| if count > 0.0 { count * (count / (dark + awake)).ln() } else { 0.0 };
        of(dark) + of(awake)
    };
    Some(part(a, b) + part(c, d) - part(a + c, b + d))
}

/// The best explanation. Of those as good: a build whose driver has others, then the driver, then what came last.
fn best(fleet: &Fleet, left: &[(u32, &Element, f64)]) -> Option<u32> {
    let most = left.iter().map(|(_, _, worth)| *worth).reduce(f64::max)?;
    let as_good = left.iter().filter(|(_, _, worth)| *worth >= most * AS_GOOD);
    let special = |element: &Element| match fleet.elements.get(element.parent) {
        Some(driver) if driver.machines > element.machines => 2,
        Some(_) => 0,
        None => 1,
    };
    let rank = |(id, element, _): &&(u32, &Element, f64)| {
        (special(element), element.usual.born_ms, std::cmp::Reverse(*id))
    };
    as_good.max_by_key(rank).map(|(id, _, _)| *id)
}

/// Whether an explanation holds: at enough sites, beyond the largest, and against those without it of the same kind
/// beside them, and of the same model.
fn confirm(fleet: &Fleet, tenant: &Tenant, dark: &Gone, element: u32, now_ms: i64) -> Option<Cause> {
    let known = fleet.elements.get(element)?;
    let mut sites = count(fleet, known.what.tenant, dark, element, |kin| kin.site);
    let without: f64 = sites.values().flatten().map(|cell| cell.awake_without).sum();
    // A fleet without anybody to compare with: that is the way to us, or the network.
    if without < 10.0 || without * 50.0 < f64::from(tenant.machines) {
        return None;
    }
    sites.retain(|site, cells| *site == NameId::EMPTY || !is_out(cells));
    let mut cause = spread(tenant, element, &sites)?;
    if dark.is_cut {
        cause.machines = cause.machines.max(known.chart.machines);
    }
    if !known.chart.is_beyond(cause.machines, BEYOND) {
        return None;
    }
    if contrast(sites.values().flatten()) == Some(false) || is_left_behind(known, &sites, now_ms) {
        return None;
    }
    let models = count(fleet, known.what.tenant, dark, element, |kin| kin.model);
    // Whoever left while nothing arrived is overdue at once: that speed says nothing.
    let is_fast = || !tenant.pulse.is_upset() && is_inhuman(tenant, known, now_ms);
    let holds = contrast(models.values().flatten()).unwrap_or_else(is_fast);
    holds.then_some(cause)
}

/// Whether those with it are dark because the others have left it: after a release, machines that are off are all that have
/// the build of before. Those that left it are alive.
fn is_left_behind(element: &Element, sites: &Sites, now_ms: i64) -> bool {
    let left = element.left(now_ms);
    let of = |count: fn(&Cell) -> f64| sites.values().flatten().map(count).sum::<f64>();
    let with = of(|cell| cell.dark_with) * of(|cell| cell.awake_without);
    let without = of(|cell| cell.dark_without).max(1.0) * (of(|cell| cell.awake_with) + left);
    left > 0.0 && with < ODDS * without
}

/// Where every machine of a model has the element, its people may have left early: on the day before a holiday all
/// laptops go dark at two, and so do those with the driver that only laptops have. People take their time, though.
fn is_inhuman(tenant: &Tenant, element: &Element, now_ms: i64) -> bool {
    let since_ms = now_ms - element.chart.onset_ms.unwrap_or(now_ms);
    let minutes = (since_ms as f64 / 60_000.0).max(tenant.pace_s() / 60.0);
    let machines = f64::from(element.chart.machines);
    // Of all that are not off: the last of those who leave early are few, and gone within a minute.
    let awake = f64::from(sum(std::iter::once(&element.awake)));
    let all = awake + f64::from(element.dark.max(element.chart.machines));
    machines >= HURRY * f64::from(HUMAN) * minutes * all
}

/// Counts a tenant's machines by what `key` says and by kind.
fn count(fleet: &Fleet, tenant: u32, dark: &Gone, element: u32, key: impl Fn(&Kin) -> NameId) -> Sites {
    let mut cells = Sites::default();
    let inventories = fleet.inventories_with(element);
    for (id, profile) in fleet.profiles.iter().filter(|(_, profile)| profile.kin.tenant == tenant) {
        let has = inventories.contains(&profile.kin.inventory);
        let gone = dark.profiles.get(&id).copied().unwrap_or_default();
        let kinds = cells.entry(key(&profile.kin)).or_default();
        for (cell, (awake, gone)) in kinds.iter_mut().zip(profile.awake.iter().zip(gone)) {
            let (of_awake, of_dark) = match has {
                true => (&mut cell.awake_with, &mut cell.dark_with),
                false => (&mut cell.awake_without, &mut cell.dark_without),
            };
            *of_awake += f64::from(*awake);
            *of_dark += f64::from(gone);
        }
    }
    cells
}

/// Whether a site went dark whatever its machines run: a power cut, or its line.
fn is_out(cells: &[Cell; KINDS]) -> bool {
    let dark: f64 = cells.iter().map(|cell| cell.dark_without).sum();
    let awake: f64 = cells.iter().map(|cell| cell.awake_without).sum();
    dark >= 2.0 && dark >= awake
}

/// The machines with the element, where they are at enough sites, and enough beyond the largest.
fn spread(tenant: &Tenant, element: u32, sites: &Sites) -> Option<Cause> {
    let (mut machines, mut count, mut largest) = (0.0, 0, [0.0; 2]);
    for (site, cells) in sites {
        let here: f64 = cells.iter().map(|cell| cell.dark_with).sum();
        machines += here;
        if *site == NameId::EMPTY {
            // Each a site of its own.
            count += here as u64;
            continue;
        }
        count += u64::from(here > 0.0);
        let [first, second] = largest;
        largest = if here > first { [here, first] } else { [first, second.max(here)] };
    }
    let all = tenant.site_count();
    let beyond: f64 = machines - largest.iter().sum::<f64>();
    let is_wide = if all >= FEW_SITES { beyond >= SPREAD } else { machines >= CLOSE };
    let cause = Cause { element, machines: machines as u32, sites: count };
    (is_wide && count >= (all / 4).clamp(1, 8)).then_some(cause)
}

/// Mantel and Haenszel's comparison, cell by cell: whether those with it went dark and those without it, of the same
/// cell, did not. None where the cells hold nobody to compare with.
fn contrast<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<bool> {
    let (mut for_it, mut against) = (0.0, 0.0);
    for cell in cells {
        let all = cell.dark_with + cell.awake_with + cell.dark_without + cell.awake_without;
        if all > 0.0 {
            for_it += cell.dark_with * cell.awake_without / all;
            against += cell.awake_with * cell.dark_without / all;
        }
    }
    let both: f64 = for_it + against;
    // The odds, and three standard deviations.
    (both >= 9.0).then(|| for_it >= ODDS * against && for_it - against >= 3.0 * both.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(dark_with: f64, awake_with: f64, dark_without: f64, awake_without: f64) -> Cell {
        Cell { dark_with, awake_with, dark_without, awake_without }
    }

    #[test]
    fn a_contrast_is_one_within_cells() {
        let outage = [cell(20.0, 1.0, 0.0, 30.0), cell(15.0, 0.0, 1.0, 20.0)];
        assert_eq!(contrast(outage.iter()), Some(true));
        let power = [cell(30.0, 0.0, 10.0, 0.0), Cell::default(), cell(5.0, 1.0, 2.0, 1.0), Cell::default()];
        assert!(is_out(&power) && contrast(power.iter()).is_none(), "a whole site, whatever it runs");
        assert!(!is_out(&[cell(30.0, 0.0, 1.0, 10.0), Cell::default(), Cell::default(), Cell::default()]));
        assert_eq!(contrast([cell(50.0, 0.0, 0.0, 0.0)].iter()), None, "nobody to compare with");
        assert_eq!(contrast([cell(30.0, 70.0, 25.0, 75.0)].iter()), Some(false));
    }
}
