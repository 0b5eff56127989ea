//! The clients: each has one request open at a time, repeats it under the same number until it is
//! answered, and goes on to the next.
//!
//! A zombie holds on to the epoch it once saw, as a process does that was paused while its role
//! moved; what it writes must be refused from then on.

use quorate_core::control;
use quorate_core::id::{ClientId, Epoch, RequestId, RoleName, Ticket};
use quorate_core::node::Command;
use quorate_core::payload::Payload;
use quorate_core::seed::Random;

use crate::plan;

/// A request without an answer is repeated after so long, through any node.
pub const TIMEOUT_NS: u64 = 1_000_000_000;
/// A zombie that was refused looks for a new epoch to hold on to, one time in so many.
const ZOMBIE_WAKES: u64 = 4;

/// The register that a client writes; it writes the numbers of its requests.
#[must_use]
pub fn register_of(client: usize) -> String {
    format!("register-{client}")
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Answered for good.
    Done,
    /// Answered for good: the epoch is not in force.
    Stale,
    /// To be repeated.
    Again,
}

/// Whose open request a ticket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which client.
    pub client: usize,
    /// Its name.
    pub id: ClientId,
    /// The request.
    pub request: RequestId,
    /// When the request was first made.
    pub begun: u64,
}

#[derive(Clone, Debug)]
struct Client {
    is_zombie: bool,
    held: Epoch,
    request: u64,
    tries: u64,
    turn: u64,
    open: Option<(control::Command, u64)>,
}

/// All clients of a run.
#[derive(Clone, Debug)]
pub struct Workload {
    clients: Vec<Client>,
    interval_ns: u64,
    /// No more requests of one client than these; 0: any number.
    requests_max: u64,
    random: Random,
    role: Option<RoleName>,
}

impl Workload {
    /// The clients of a plan.
    #[must_use]
    pub fn new(spec: plan::Workload, random: Random) -> Workload {
        let client = |is_zombie| Client {
            is_zombie,
            held: Epoch(0),
            request: 0,
            tries: 0,
            turn: 0,
            open: None,
        };
        let clients = (0..spec.clients).map(|_| client(false));
        let clients = clients
            .chain((0..spec.zombies).map(|_| client(true)))
            .collect();
        let role = RoleName::new(crate::world::PRIMARY).ok();
        Workload {
            clients,
            interval_ns: spec.interval.ns(),
            requests_max: spec.requests,
            random,
            role,
        }
    }

    /// The next word of the clients' random stream.
    pub fn draw(&mut self) -> u64 {
        self.random.word()
    }

    /// How many clients there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// True without clients.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether this is the client's latest turn.
    #[must_use]
    pub fn is_turn(&self, client: usize, turn: u64) -> bool {
        self.clients[client].turn == turn
    }

    /// Makes all earlier turns of a client void.
    pub fn next_turn(&mut self, client: usize) -> u64 {
        self.clients[client].turn += 1;
        self.clients[client].turn
    }

    /// Any one of the hosts.
    pub fn choose(&mut self, hosts: &[usize]) -> Option<usize> {
        let index = self.random.index(hosts.len());
        hosts.get(index).copied()
    }

    /// The open request again, or a new one under the epoch that a node sees; nothing before there
    /// is an epoch.
    pub fn ask(&mut self, client: usize, epoch: Epoch, now: u64) -> Option<(Ticket, Command)> {
        let role = self.role.clone()?;
        let state = &mut self.clients[client];
        if state.open.is_none() {
            if self.requests_max > 0 && state.request >= self.requests_max {
                return None;
            }
            if !state.is_zombie || state.held == Epoch(0) {
                state.held = epoch;
            }
            if state.held == Epoch(0) {
                return None;
            }
            state.request += 1;
            state.tries = 0;
            let key = register_of(client);
            let value = Payload::copy_from(&state.request.to_le_bytes());
            let command = control::Command::Write {
                role,
                epoch: state.held,
                key,
                value,
            };
            state.open = Some((command, now));
        }
        state.tries += 1;
        let (command, _) = state.open.clone()?;
        let number = client as u64 + 1;
        let ticket = Ticket((number << 48) | (state.request << 16) | (state.tries & 0xffff));
        let request = Some((ClientId(number), RequestId(state.request)));
        Some((ticket, Command::Propose { request, command }))
    }

    /// So many requests a client has made, the open one included.
    #[must_use]
    pub fn requests(&self, client: usize) -> u64 {
        self.clients[client].request
    }

    /// Whose open request a ticket belongs to; none if it is answered already, or no client's.
    #[must_use]
    pub fn asked(&self, ticket: Ticket) -> Option<Asked> {
        let client = usize::try_from(ticket.0 >> 48).ok()?.checked_sub(1)?;
        let state = self.clients.get(client)?;
        let (_, begun) = state.open.as_ref()?;
        let request = (ticket.0 >> 16) & 0xffff_ffff;
        let id = ClientId(client as u64 + 1);
        let (request, begun) = ((request == state.request).then_some(request)?, *begun);
        Some(Asked {
            client,
            id,
            request: RequestId(request),
            begun,
        })
    }

    /// A try has ended; how long the client waits before its next turn.
    pub fn answered(&mut self, client: usize, ending: Ending) -> u64 {
        let wakes = self.random.below(ZOMBIE_WAKES) == 0;
        let state = &mut self.clients[client];
        match ending {
            Ending::Again => return self.interval_ns,
            Ending::Stale if wakes || !state.is_zombie => state.held = Epoch(0),
            Ending::Done | Ending::Stale => {}
        }
        state.open = None;
        self.random
            .within(self.interval_ns / 2..=self.interval_ns * 3 / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::seed::{Seed, Stream};

    fn workload() -> Workload {
        let spec = plan::Workload {
            clients: 1,
            zombies: 1,
            interval: crate::span::Span::from_ms(100),
            requests: 0,
            messages: None,
            senders: None,
        };
        Workload::new(spec, Seed::from_number(1).stream(Stream::Workload))
    }

    fn epoch_of(command: &Command) -> Option<Epoch> {
        let Command::Propose { command, .. } = command else {
            return None;
        };
        let control::Command::Write { epoch, .. } = command else {
            return None;
        };
        Some(*epoch)
    }

    #[test]
    fn a_request_is_repeated_unchanged_until_it_is_answered() {
        let mut workload = workload();
        assert_eq!(workload.ask(0, Epoch(0), 0), None);
        let (first, command) = workload.ask(0, Epoch(5), 1).unwrap();
        let (second, again) = workload.ask(0, Epoch(9), 2).unwrap();
        assert_eq!(command, again);
        assert_eq!(
            workload.asked(second).map(|asked| asked.request),
            Some(RequestId(1))
        );
        workload.answered(0, Ending::Done);
        assert_eq!(workload.asked(first), None, "a late answer is for nobody");
        let (_, next) = workload.ask(0, Epoch(9), 3).unwrap();
        assert_eq!(epoch_of(&next), Some(Epoch(9)));
    }

    #[test]
    fn a_zombie_keeps_its_epoch() {
        let mut workload = workload();
        workload.ask(1, Epoch(5), 1).unwrap();
        workload.answered(1, Ending::Done);
        let (_, command) = workload.ask(1, Epoch(9), 2).unwrap();
        assert_eq!(epoch_of(&command), Some(Epoch(5)));
    }
}
