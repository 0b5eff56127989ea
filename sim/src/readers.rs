//! The readers: each asks for what a register holds, confirmed by the leader, and mostly asks the
//! same node as long as it is answered. So a leader that was replaced without knowing it is asked,
//! too, and those that believe in it. Readers stay longer with a leader than with the others, since
//! more can go wrong there.
//!
//! A reader waits for an answer only so long; one that comes later is judged all the same.

use std::collections::BTreeMap;

use quorate_core::id::Ticket;
use quorate_core::seed::Random;

use crate::plan;

/// Tickets of readers: this, the reader and its turn. Clients and commands have other numbers.
const TICKETS: u64 = 0x8000 << 48;
/// A reader waits so long for an answer.
const PATIENCE_NS: core::ops::RangeInclusive<u64> = 20_000_000..=1_000_000_000;
/// So many of a thousand times an answered reader goes on to any node, from a leader.
const LEAVES_LEADER_PERMILLE: u16 = 200;
/// And from another node to the one that leads, as this knows.
const TURNS_TO_LEADER_PERMILLE: u16 = 300;
/// Answers a reader may still get to what it asked long ago.
const OPEN_MAX: usize = 32;

/// A read on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which reader asks.
    pub reader: usize,
    /// In which of its turns.
    pub turn: u64,
    /// The register of which client.
    pub register: usize,
    /// The least it must see.
    pub least: u64,
}

#[derive(Clone, Debug, Default)]
struct Reader {
    turn: u64,
    /// The node it asks.
    at: Option<usize>,
    open: BTreeMap<Ticket, Asked>,
}

/// All readers of a run.
#[derive(Clone, Debug)]
pub struct Readers {
    readers: Vec<Reader>,
    interval_ns: u64,
    random: Random,
}

impl Readers {
    /// The readers of a plan.
    #[must_use]
    pub fn new(spec: plan::Readers, random: Random) -> Readers {
        Readers {
            readers: (0..spec.readers).map(|_| Reader::default()).collect(),
            interval_ns: spec.interval.ns(),
            random,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readers.len()
    }

    /// True without readers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// The next word of the readers' random stream.
    pub fn draw(&mut self) -> u64 {
        self.random.word()
    }

    /// Whether this is the reader's latest turn.
    #[must_use]
    pub fn is_turn(&self, reader: usize, turn: u64) -> bool {
        self.readers[reader].turn == turn
    }

    /// Makes all earlier turns of a reader void.
    pub fn next_turn(&mut self, reader: usize) -> u64 {
        self.readers[reader].turn += 1;
        self.readers[reader].turn
    }

    /// The register of any of so many clients.
    pub fn choose(&mut self, clients: usize) -> usize {
        self.random.index(clients)
    }

    /// Which of the live nodes a reader asks: the one it asked before, or any other.
    pub fn node_of(&mut self, reader: usize, live: &[usize]) -> Option<usize> {
        let last = self.readers[reader].at.filter(|at| live.contains(at));
        let any = live.get(self.random.index(live.len())).copied();
        let at = last.or(any);
        self.readers[reader].at = at;
        at
    }

    /// How long a reader waits for an answer; and after that it may try another node.
    pub fn lose_patience(&mut self, reader: usize) -> u64 {
        if self.random.chance(500) {
            self.readers[reader].at = None;
        }
        self.random.within(PATIENCE_NS)
    }

    /// From now on a reader asks that node, or any.
    pub fn turn_to(&mut self, reader: usize, at: Option<usize>) {
        self.readers[reader].at = at;
    }

    /// Where a reader goes next whom this node answered; `leader` as this node knows.
    pub fn after_answer(&mut self, node: usize, leader: Option<usize>) -> Option<usize> {
        match leader == Some(node) {
            true if self.random.chance(LEAVES_LEADER_PERMILLE) => None,
            false if self.random.chance(TURNS_TO_LEADER_PERMILLE) => leader,
            true | false => Some(node),
        }
    }

    /// Under which ticket a reader's next question goes out.
    pub fn ask(&mut self, reader: usize, register: usize, least: u64) -> Ticket {
        let state = &mut self.readers[reader];
        let turn = state.turn;
        let ticket = Ticket(TICKETS | (reader as u64) << 32 | (turn & 0xffff_ffff));
        let asked = Asked {
            reader,
            turn,
            register,
            least,
        };
        state.open.insert(ticket, asked);
        if state.open.len() > OPEN_MAX {
            state.open.pop_first();
        }
        ticket
    }

    /// The read that an answer is for; each is answered once.
    pub fn answered(&mut self, ticket: Ticket) -> Option<Asked> {
        if ticket.0 >> 48 != TICKETS >> 48 {
            return None;
        }
        let reader = usize::try_from(ticket.0 >> 32 & 0xffff).ok()?;
        self.readers.get_mut(reader)?.open.remove(&ticket)
    }

    /// How long a reader waits before its next turn.
    pub fn pause(&mut self) -> u64 {
        self.random
            .within(self.interval_ns / 2..=self.interval_ns * 3 / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;
    use quorate_core::seed::{Seed, Stream};

    fn readers() -> Readers {
        let spec = plan::Readers {
            readers: 2,
            interval: Span::from_ms(100),
        };
        Readers::new(spec, Seed::from_number(1).stream(Stream::Workload))
    }

    #[test]
    fn a_reader_stays_with_its_node_until_it_is_gone_or_turned_away() {
        let mut readers = readers();
        let at = readers.node_of(0, &[3, 4, 5]).unwrap();
        assert_eq!(readers.node_of(0, &[5, 4, 3]), Some(at));
        readers.turn_to(0, Some(4));
        assert_eq!(readers.node_of(0, &[3, 4, 5]), Some(4));
        assert_eq!(readers.node_of(0, &[3]), Some(3));
        assert_eq!(readers.node_of(0, &[]), None);
    }

    #[test]
    fn an_answered_reader_mostly_stays_and_more_often_with_the_leader() {
        let mut readers = readers();
        let mut count = |node, next| {
            let turns = (0..1000).map(|_| readers.after_answer(node, Some(4)));
            turns.filter(|it| *it == next).count()
        };
        assert!((700..900).contains(&count(4, Some(4))));
        assert!((600..800).contains(&count(3, Some(3))));
        assert!((200..400).contains(&count(3, Some(4))));
        assert!((100..300).contains(&count(4, None)));
    }

    #[test]
    fn a_late_answer_is_known_and_a_second_one_is_not() {
        let mut readers = readers();
        let first = readers.ask(1, 7, 3);
        readers.next_turn(1);
        let second = readers.ask(1, 8, 4);
        assert_ne!(first, second);
        let asked = readers.answered(first).unwrap();
        assert_eq!((asked.reader, asked.turn), (1, 0));
        assert_eq!((asked.register, asked.least), (7, 3));
        assert!(!readers.is_turn(asked.reader, asked.turn));
        assert_eq!(readers.answered(first), None);
        assert_eq!(readers.answered(Ticket(1 << 48)), None);
    }
}
