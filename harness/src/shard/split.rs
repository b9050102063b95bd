//! Cases dealt to shards so that these take equally long, and each has few kernels.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::size::Size;

/// What each kernel and size of guest costs a shard that has it. It is halfway between a boot, which
/// takes a CPU for about 12 s under emulation, and nothing, where a saved state is there.
pub const BOOT: Duration = Duration::from_secs(6);

/// By how much the time of the longest shard is raised, as long as the cases do not fit.
const STEP: f64 = 1.02;

/// A case, as far as a split is about it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// Its kernel.
    pub kernel: &'a str,
    /// How large its guest is.
    pub size: Size,
    /// How long it takes.
    pub took: Duration,
}

/// A kernel's cases and their places: those of one size of guest together, the size that takes
/// longest last, and of its cases the longest first.
struct Group<'a>(Vec<(usize, Case<'a>)>);

/// What a shard has so far.
#[derive(Clone, Default)]
struct Bin<'a> {
    seconds: f64,
    booted: BTreeSet<(&'a str, Size)>,
    cases: Vec<usize>,
}

/// The places of the cases that each shard has, in their order.
pub fn split(cases: &[Case], of: usize) -> Vec<Vec<usize>> {
    let groups = groups(cases);
    let total: f64 = groups.iter().map(Group::seconds).sum();
    // No shard can take less than the mean.
    let mut most = total / of as f64;
    let bins = loop {
        if let Some(bins) = pack(&groups, of, most) {
            break bins;
        }
        most *= STEP;
    };
    let mut shards: Vec<Vec<usize>> = bins.into_iter().map(|bin| bin.cases).collect();
    share(&mut shards, cases);
    shards.iter_mut().for_each(|shard| shard.sort_unstable());
    shards
}

/// How long cases take on one machine, with what boots cost.
pub fn time(cases: &[Case]) -> Duration {
    let booted: BTreeSet<(&str, Size)> =
        cases.iter().map(|case| (case.kernel, case.size)).collect();
    cases.iter().map(|case| case.took).sum::<Duration>() + BOOT * booted.len() as u32
}

/// Has no shard idle as long as another one has several cases, of which it takes half.
fn share(shards: &mut [Vec<usize>], cases: &[Case]) {
    let took =
        |places: &[usize]| -> Duration { places.iter().map(|place| cases[*place].took).sum() };
    loop {
        let idle = shards.iter().position(Vec::is_empty);
        let several = (0..shards.len()).filter(|shard| shards[*shard].len() > 1);
        let busy = several.max_by_key(|shard| took(&shards[*shard]));
        let (Some(idle), Some(busy)) = (idle, busy) else {
            return;
        };
        let last = shards[busy].len() - 1;
        let own = &mut shards[busy];
        let half = took(own) / 2;
        let cut = (1..last).find(|cut| took(&own[..*cut]) >= half);
        shards[idle] = own.split_off(cut.unwrap_or(last));
    }
}

/// The cases by their kernels, of which that comes first that takes longest. What takes equally
/// long stays in its order, so that the same cases are always split in the same way.
fn groups<'a>(cases: &[Case<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<(&str, Group)> = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        match groups.iter_mut().find(|(known, _)| *known == case.kernel) {
            Some((_, group)) => group.0.push((place, *case)),
            None => groups.push((case.kernel, Group(vec![(place, *case)]))),
        }
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(_, group)| group).collect();
    for group in &mut groups {
        group.sort();
    }
    groups.sort_by(|one, other| other.seconds().total_cmp(&one.seconds()));
    groups
}

/// The shards, none of which takes longer than `most`, if the cases fit.
fn pack<'a>(groups: &[Group<'a>], of: usize, most: f64) -> Option<Vec<Bin<'a>>> {
    let mut bins = vec![Bin::default(); of];
    for group in groups {
        let chosen = room(&bins, group, most)?;
        let usual = group.0.last().map(|(_, case)| case.size);
        for (place, case) in &group.0 {
            // Shards are filled one after the other, so that the last one has room for another
            // kernel. Rare sizes go apart, as each of them is a boot.
            let fits = chosen.iter().map(|bin| (*bin, &bins[*bin]));
            let fits = fits.filter(|(_, bin)| bin.with(case) <= most);
            let is_rare = Some(case.size) != usual;
            let apart = |bin: &Bin| Reverse(if is_rare { bin.booted.len() } else { 0 });
            let (bin, _) = fits.max_by(|(_, one), (_, other)| {
                let order = |bin: &Bin| (bin.has(case), apart(bin));
                let order = order(one).cmp(&order(other));
                order.then(one.seconds.total_cmp(&other.seconds))
            })?;
            bins[bin].add(*place, case);
        }
    }
    Some(bins)
}

/// As few shards as a kernel's cases fit into: the fullest one that has room for all of them, else
/// the emptiest ones.
fn room(bins: &[Bin], group: &Group, most: f64) -> Option<Vec<usize>> {
    let needed = group.seconds() - BOOT.as_secs_f64();
    let room = |bin: &usize| most - bins[*bin].seconds - BOOT.as_secs_f64();
    let mut order: Vec<usize> = (0..bins.len()).collect();
    order.sort_by(|one, other| room(other).total_cmp(&room(one)));
    let has_all = order.iter().rposition(|bin| room(bin) >= needed);
    if let Some(place) = has_all {
        return Some(vec![order[place]]);
    }
    let (mut chosen, mut had) = (Vec::new(), 0.0);
    for bin in order.into_iter().filter(|bin| room(bin) > 0.0) {
        had += room(&bin);
        chosen.push(bin);
        if had >= needed {
            return Some(chosen);
        }
    }
    None
}

impl Group<'_> {
    fn sort(&mut self) {
        let mut took: BTreeMap<Size, Duration> = BTreeMap::new();
        for (_, case) in &self.0 {
            *took.entry(case.size).or_default() += case.took;
        }
        self.0
            .sort_by_key(|(_, case)| (took[&case.size], case.size, Reverse(case.took)));
    }

    /// How long all of it takes on one machine, in seconds.
    fn seconds(&self) -> f64 {
        let cases: Vec<Case> = self.0.iter().map(|(_, case)| *case).collect();
        time(&cases).as_secs_f64()
    }
}

impl<'a> Bin<'a> {
    fn has(&self, case: &Case<'a>) -> bool {
        self.booted.contains(&(case.kernel, case.size))
    }

    /// How long it takes with another case.
    fn with(&self, case: &Case<'a>) -> f64 {
        let boot = if self.has(case) { Duration::ZERO } else { BOOT };
        self.seconds + (boot + case.took).as_secs_f64()
    }

    fn add(&mut self, place: usize, case: &Case<'a>) {
        self.seconds = self.with(case);
        self.booted.insert((case.kernel, case.size));
        self.cases.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long cases of kernels take, in seconds.
    fn cases(kernels: &[(&'static str, &[u64])]) -> Vec<Case<'static>> {
        let of = |(kernel, took): &(&'static str, &[u64])| -> Vec<Case<'static>> {
            let case = |took: &u64| Case {
                kernel,
                size: Size::default(),
                took: Duration::from_secs(*took),
            };
            took.iter().map(case).collect()
        };
        kernels.iter().flat_map(of).collect()
    }

    /// How many kernels each shard has, and how long its cases take.
    fn told(cases: &[Case], of: usize) -> Vec<(usize, u64)> {
        let shards = split(cases, of);
        let mut all: Vec<usize> = shards.concat();
        all.sort_unstable();
        assert_eq!(all, (0..cases.len()).collect::<Vec<_>>());
        let of = |shard: &Vec<usize>| {
            let mut kernels: Vec<&str> = shard.iter().map(|case| cases[*case].kernel).collect();
            kernels.dedup();
            let took = shard.iter().map(|case| cases[*case].took.as_secs()).sum();
            (kernels.len(), took)
        };
        shards.iter().map(of).collect()
    }

    #[test]
    fn shards_of_one_kernel_take_equally_long() {
        for took in [
            [9, 7, 6, 5, 5, 4, 3, 3, 2, 2, 1, 1],
            [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 9],
        ] {
            let cases = cases(&[("a", &took)]);
            assert_eq!(told(&cases, 4), [(1, 12); 4]);
            assert_eq!(told(&cases, 1), [(1, 48)]);
        }
    }

    #[test]
    fn the_largest_kernel_comes_first_and_goes_where_it_leaves_the_least_room() {
        let cases = cases(&[
            ("a", &[40]),
            ("b", &[20]),
            ("c", &[20]),
            ("d", &[40]),
            ("e", &[20]),
        ]);
        let mut told = told(&cases, 2);
        told.sort_unstable();
        assert_eq!(told, [(2, 80), (3, 60)]);
    }

    #[test]
    fn a_kernel_is_in_few_shards() {
        let fifty = [2; 50];
        let two = cases(&[("a", &fifty), ("b", &fifty)]);
        assert_eq!(told(&two, 4), [(1, 50); 4]);
        assert_eq!(told(&two, 2), [(1, 100); 2]);
        let four = cases(&[
            ("a", &fifty),
            ("b", &[9; 3]),
            ("c", &[9; 3]),
            ("d", &[9; 3]),
        ]);
        assert!(told(&four, 3).iter().all(|(kernels, _)| *kernels <= 2));
    }

    #[test]
    fn kernels_share_a_shard_where_these_take_equally_long_then() {
        let cases = cases(&[("a", &[2; 73]), ("b", &[2; 47])]);
        let total = |(kernels, took): &(usize, u64)| took + BOOT.as_secs() * *kernels as u64;
        let took: Vec<u64> = told(&cases, 4).iter().map(total).collect();
        assert!(took.iter().all(|took| (66..=70).contains(took)), "{took:?}");
    }

    #[test]
    fn guests_of_one_size_share_a_shard_and_each_size_costs_a_boot() {
        let mut cases = cases(&[("a", &[2; 30])]);
        for case in cases.iter_mut().step_by(9) {
            case.size.cpus = 2;
        }
        let large = |shard: &&Vec<usize>| shard.iter().any(|case| cases[*case].size.cpus == 2);
        let shards = split(&cases, 3);
        assert_eq!(shards.iter().filter(large).count(), 1);
        let mut took: Vec<usize> = shards.iter().map(Vec::len).collect();
        took.sort_unstable();
        assert_eq!(took, [8, 11, 11]);
    }

    #[test]
    fn rare_sizes_of_guests_go_apart() {
        let mut cases = cases(&[("a", &[2; 30])]);
        cases[3].size.cpus = 2;
        cases[9].size.cpus = 3;
        let rare = |shard: &Vec<usize>| shard.iter().filter(|case| [3, 9].contains(*case)).count();
        let mut rare: Vec<usize> = split(&cases, 2).iter().map(rare).collect();
        rare.sort_unstable();
        assert_eq!(rare, [1, 1]);
    }

    #[test]
    fn what_takes_no_time_is_dealt_as_well_and_a_shard_may_be_empty() {
        assert_eq!(told(&cases(&[("a", &[0, 0])]), 3).len(), 3);
        assert_eq!(
            told(&cases(&[("a", &[5])]), 3)
                .iter()
                .filter(|it| it.0 == 0)
                .count(),
            2
        );
        assert_eq!(split(&[], 2), [vec![], vec![]] as [Vec<usize>; 2]);
    }

    #[test]
    fn a_long_case_has_a_shard_of_its_own() {
        let cases = cases(&[("a", &[90, 10, 10, 10, 10, 10])]);
        let mut took: Vec<u64> = told(&cases, 3).iter().map(|it| it.1).collect();
        took.sort_unstable();
        assert_eq!(took, [20, 30, 90]);
    }
}
