//! What was measured: a sample a round, for each contestant of each heat.

use std::collections::BTreeMap;

/// What the threads do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Workload {
    Accepted,
    /// The same calls from a package of its own.
    Elsewhere,
    Work50,
    Work100,
    Work200,
    Work1000,
    Fresh,
    Rejected,
    Reserve,
    Mixed,
    Readers,
    Pools,
    Pools100k,
    Trace,
    Tail,
    TailWork,
    Fairness,
    /// Budgets within budgets, each thread at a leaf of its own.
    Tree,
    /// The same, with all threads at one leaf.
    TreeOneLeaf,
}

impl Workload {
    /// With private work between the records: the nanoseconds of it.
    pub(crate) const WITH_WORK: [(Self, u32); 4] = [
        (Self::Work50, 50),
        (Self::Work100, 100),
        (Self::Work200, 200),
        (Self::Work1000, 1_000),
    ];

    /// Whether it is one of [`Self::WITH_WORK`]. How far apart the cores are matters most there,
    /// so it is measured in each round.
    pub(crate) fn has_work(self) -> bool {
        Self::WITH_WORK
            .iter()
            .any(|(workload, _)| *workload == self)
    }
}

/// What was measured of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Metric {
    /// Nanoseconds of wall time a call, over all threads.
    Nanos,
    /// How many cores the threads had on average.
    Cores,
    /// How many of them waited for a core on average.
    Waiting,
    /// Nanoseconds that one call took.
    P50,
    P99,
    P999,
    P9999,
    Max,
    /// The slowest thread's count over the fastest's.
    Fairness,
    /// Bytes a budget, when it is new.
    BytesFresh,
    /// Bytes a budget, after some hundred calls from all threads.
    BytesUsed,
}

/// Which rounds, by how far apart the machine's cores were.
///
/// A virtual machine's two cores are at times near (they share a cache) and at times far, for
/// minutes each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    All,
    Near,
    Far,
}

/// From so many times the shortest round trip on, the cores are far apart.
pub(crate) const FAR: f64 = 1.5;

/// A round's figures of one contestant.
pub(crate) type Sample = Vec<(Metric, f64)>;

#[derive(Default)]
pub(crate) struct Results {
    rounds: BTreeMap<(Workload, usize, &'static str, Metric), Vec<f64>>,
    /// Contestants in the order in which they were listed.
    listed: BTreeMap<(Workload, usize), Vec<&'static str>>,
    /// The nanoseconds of a round trip between two cores, in each round of a heat.
    trips: BTreeMap<(Workload, usize), Vec<f64>>,
}

impl Results {
    pub(crate) fn list(&mut self, workload: Workload, threads: usize, names: Vec<&'static str>) {
        self.listed.insert((workload, threads), names);
    }

    pub(crate) fn add(
        &mut self,
        workload: Workload,
        threads: usize,
        name: &'static str,
        sample: Sample,
    ) {
        for (metric, value) in sample {
            let key = (workload, threads, name, metric);
            self.rounds.entry(key).or_default().push(value);
        }
    }

    pub(crate) fn add_trip(&mut self, workload: Workload, threads: usize, nanos: f64) {
        self.trips
            .entry((workload, threads))
            .or_default()
            .push(nanos);
    }

    /// The round trips between two cores in these rounds, and how many there are.
    pub(crate) fn trips(&self, rounds: Rounds) -> Option<(Spread, usize)> {
        let far = self.far();
        let trips = self.trips.values().flatten().copied();
        let trips: Vec<_> = trips.filter(|&trip| is_in(rounds, trip, far)).collect();
        let count = trips.len();
        Some((Spread::of(trips)?, count))
    }

    /// The round trip from which on the cores are far apart.
    fn far(&self) -> f64 {
        let trips = self.trips.values().flatten().copied();
        FAR * trips.fold(f64::INFINITY, f64::min)
    }

    /// The numbers of threads of a workload.
    pub(crate) fn threads(&self, workload: Workload) -> Vec<usize> {
        let keys = self.listed.keys();
        keys.filter(|key| key.0 == workload)
            .map(|key| key.1)
            .collect()
    }

    /// The contestants of a workload.
    pub(crate) fn names(&self, workload: Workload) -> &[&'static str] {
        let mut heats = self.listed.iter();
        heats
            .find(|(key, _)| key.0 == workload)
            .map_or(&[], |(_, names)| names)
    }

    fn samples(
        &self,
        (workload, threads): (Workload, usize),
        name: &str,
        metric: Metric,
    ) -> &[f64] {
        // The names of a heat are few, so there is no need for a key of its own.
        let names = self.listed.get(&(workload, threads));
        let name = names.and_then(|names| names.iter().find(|listed| **listed == name));
        name.and_then(|name| self.rounds.get(&(workload, threads, *name, metric)))
            .map_or(&[], Vec::as_slice)
    }

    pub(crate) fn spread(
        &self,
        heat: (Workload, usize),
        name: &str,
        metric: Metric,
    ) -> Option<Spread> {
        Spread::of(self.samples(heat, name, metric).to_vec())
    }

    /// How many times `b`'s figure `a`'s is, round by round: the two ran side by side.
    pub(crate) fn ratio(
        &self,
        heat: (Workload, usize),
        a: &str,
        b: &str,
        metric: Metric,
    ) -> Option<Spread> {
        self.ratio_in(Rounds::All, heat, a, b, metric)
    }

    /// The same, of these rounds only.
    pub(crate) fn ratio_in(
        &self,
        rounds: Rounds,
        heat: (Workload, usize),
        a: &str,
        b: &str,
        metric: Metric,
    ) -> Option<Spread> {
        let (a, b) = (self.samples(heat, a, metric), self.samples(heat, b, metric));
        let (far, trips) = (self.far(), self.trips.get(&heat));
        let wanted = |round: usize| {
            let trip = trips.and_then(|trips| trips.get(round));
            rounds == Rounds::All || trip.is_some_and(|&trip| is_in(rounds, trip, far))
        };
        let both = a.iter().zip(b).enumerate();
        let both = both.filter(|(round, (a, b))| {
            // Infinite: a thread that had no turn in that round.
            wanted(*round) && a.is_finite() && b.is_finite()
        });
        Spread::of(both.map(|(_, (a, b))| a / b).collect())
    }

    /// All samples, a line each.
    pub(crate) fn csv(&self) -> String {
        let mut csv = String::from("workload,threads,contestant,metric,round,value\n");
        for ((workload, threads, name, metric), values) in &self.rounds {
            for (round, value) in values.iter().enumerate() {
                csv +=
                    &format!("{workload:?},{threads},\"{name}\",{metric:?},{round},{value:.3}\n");
            }
        }
        for ((workload, threads), trips) in &self.trips {
            for (round, nanos) in trips.iter().enumerate() {
                csv +=
                    &format!("{workload:?},{threads},\"the cores\",RoundTrip,{round},{nanos:.3}\n");
            }
        }
        csv
    }
}

fn is_in(rounds: Rounds, trip: f64, far: f64) -> bool {
    match rounds {
        Rounds::All => true,
        Rounds::Near => trip < far,
        Rounds::Far => trip >= far,
    }
}

/// A median, and between what four of five rounds lie.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let at = |quantile: f64| {
            // Between the two nearest.
            let place = quantile * (values.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            values[below] + (values[above] - values[below]) * place.fract()
        };
        (!values.is_empty()).then(|| Self {
            low: at(0.1),
            median: at(0.5),
            high: at(0.9),
            max: at(1.0),
        })
    }

    /// Of a figure that falls as this one rises.
    pub(crate) fn map_down(self, down: impl Fn(f64) -> f64) -> Self {
        Self {
            low: down(self.high),
            median: down(self.median),
            high: down(self.low),
            max: down(self.low),
        }
    }
}
