//! What judging a packet costs under policies of different size, all of which take turns in the same rounds: the first
//! packet of a flow, which finds its rule, and an established one, which does not look for it.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::rc::Rc;

use abi::{Reason, Verdict};
use anyhow::Result;

use super::Bench;
use crate::feeder::Feeder;
use crate::flows;
use crate::frame::{Flow, Frame};
use crate::judge::{Judge, Side};
use crate::measure::{Turn, Turns};
use crate::policies::{Fit, Size, TAGGED};
use crate::programs::bare_drop;
use crate::report::{NS, Scenario};
use crate::rules::Shape;

/// Packets of one run, each of another flow.
const PACKETS: usize = 1 << 17;
const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
const MUNICIPALITIES: [u32; 3] = [1, 60, 300];

/// From ten to ten thousand rules in each of sixty municipalities.
pub fn rules(bench: &mut Bench<'_>) -> Result<()> {
    for shape in [Shape::Mixed, Shape::Crossed] {
        let cases = RULES.map(|rules| (format!("{}/{rules}x60", shape.name()), Size { rules, shape, ..TAGGED }));
        measure(bench, "rules", &cases)?;
    }
    Ok(())
}

/// From one to three hundred municipalities with a hundred rules each.
pub fn municipalities(bench: &mut Bench<'_>) -> Result<()> {
    let cases = MUNICIPALITIES.map(|vlans| (vlans.to_string(), Size { vlans, ..TAGGED }));
    measure(bench, "municipalities", &cases)
}

/// One policy.
struct Case {
    judge: Judge,
    first: Feeder,
    answers: Feeder,
    later: Feeder,
    /// One of the flows.
    sample: Flow,
}

fn measure(bench: &mut Bench<'_>, group: &str, cases: &[(String, Size)]) -> Result<()> {
    let mut built = cases.iter().map(|(name, size)| Case::new(name, *size)).collect::<Result<Vec<_>>>()?;
    let drop = bare_drop()?;
    let any: Vec<_> = flows::distinct(TAGGED, PACKETS).iter().map(Flow::outwards).collect();
    let any = Feeder::new(&any)?;
    let mut turns = Turns::default();
    let floor = turns.add(|| any.run(drop.as_fd()));
    let mut turn_of = Vec::new();
    for case in &mut built {
        turn_of.push(match case {
            Ok(case) => {
                let case = Rc::new(RefCell::new(case));
                let other = case.clone();
                let first = turns.add(move || case.borrow_mut().first_packets());
                Ok((first, turns.add(move || other.borrow_mut().established())))
            }
            Err(why) => Err(why.clone()),
        });
    }
    let figures = turns.run(bench.rounds)?;
    for ((name, _), turn) in cases.iter().zip(turn_of) {
        let named =
            |what: &str| Scenario::new(format!("{group}/{what}/{name}"), NS, bench.rounds).floor(figures[floor]);
        let add = |what, figure: Fit<Turn>| match figure {
            Ok(turn) => named(what).ours(figures[turn]),
            Err(why) => named(what).note(why),
        };
        bench.report.add(add("first", turn.clone().map(|(first, _)| first)));
        bench.report.add(add("established", turn.map(|(_, established)| established)));
    }
    Ok(())
}

impl Case {
    fn new(name: &str, size: Size) -> Result<Fit<Self>> {
        eprintln!("   {name}");
        let mut judge = match Judge::new(size, 4 * PACKETS)? {
            Ok(judge) => judge,
            Err(why) => return Ok(Err(why)),
        };
        let flows = flows::distinct(size, PACKETS);
        for flow in flows.iter().take(1_000) {
            judge.expect(Side::Access, &flow.first(), Verdict::Forward, Reason::Rule)?;
        }
        let feeder = |frame: fn(&Flow) -> Frame| Feeder::new(&flows.iter().map(frame).collect::<Vec<_>>());
        let (first, answers, later) = (feeder(Flow::first)?, feeder(Flow::inwards)?, feeder(Flow::outwards)?);
        Ok(Ok(Self { judge, first, answers, later, sample: flows[0] }))
    }

    fn first_packets(&mut self) -> Result<f64> {
        self.judge.forget()?;
        // It tells the program where packets enter, and is forgotten again.
        self.judge.expect(Side::Access, &self.sample.first(), Verdict::Forward, Reason::Rule)?;
        self.judge.forget()?;
        self.judge.run(&self.first)
    }

    fn established(&mut self) -> Result<f64> {
        self.judge.expect(Side::Uplink, &self.sample.inwards(), Verdict::Forward, Reason::Established)?;
        self.judge.run(&self.answers)?;
        self.judge.expect(Side::Access, &self.sample.outwards(), Verdict::Forward, Reason::Established)?;
        self.judge.run(&self.later)
    }
}
