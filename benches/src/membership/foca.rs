//! foca 2.0 on the network, with its preset for a LAN and its compact codec.

use std::rc::Rc;
use std::time::Duration;

use foca::{Foca, Identity, Member, NoCustomBroadcast, Notification, PostcardCodec, Runtime};
use quorate_core::time::Time;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::machine::{Event, Machine, Node, Out, Setup};

/// A node and how often it had to take a new identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    node: u32,
    generation: u32,
}

impl Identity for Id {
    type Addr = u32;

    fn renew(&self) -> Option<Id> {
        let generation = self.generation + 1;
        Some(Id {
            generation,
            ..*self
        })
    }

    fn addr(&self) -> u32 {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Id) -> bool {
        self.generation > adversary.generation
    }
}

fn id(node: Node) -> Id {
    let node = u32::try_from(node).expect("a node's number is small");
    Id {
        node,
        generation: 0,
    }
}

struct Host<'a> {
    now: Time,
    out: &'a mut Out<foca::Timer<Id>>,
}

impl Runtime<Id> for Host<'_> {
    fn notify(&mut self, notification: Notification<'_, Id>) {
        let event = match notification {
            Notification::MemberUp(id) => Event::Joined(id.node as Node),
            Notification::MemberDown(id) => Event::Died(id.node as Node),
            _ => return,
        };
        self.out.events.push(event);
    }

    fn send_to(&mut self, to: Id, data: &[u8]) {
        self.out.sends.push((to.node as Node, Rc::from(data)));
    }

    fn submit_after(&mut self, event: foca::Timer<Id>, after: Duration) {
        self.out.timers.push((self.now + after, event));
    }
}

/// One node.
pub struct Peer {
    me: Node,
    foca: Foca<Id, PostcardCodec, SmallRng, NoCustomBroadcast>,
}

impl Machine for Peer {
    type Timer = foca::Timer<Id>;

    const NAME: &'static str = "foca 2.0";

    fn new(node: Node, setup: &Setup) -> Peer {
        let size = u32::try_from(setup.size.max(1))
            .ok()
            .and_then(|n| n.try_into().ok());
        let config = foca::Config::new_lan(size.expect("a cluster has a size"));
        let random = SmallRng::seed_from_u64(setup.seed.wrapping_mul(1_000_003) + node as u64);
        let foca = Foca::new(id(node), config, random, PostcardCodec);
        Peer { me: node, foca }
    }

    fn start(&mut self, now: Time, seed: Option<Node>, out: &mut Out<Self::Timer>) {
        if let Some(seed) = seed {
            let _ = self.foca.announce(id(seed), Host { now, out });
        }
    }

    fn preload(&mut self, now: Time, size: usize, out: &mut Out<Self::Timer>) {
        let others = (0..size).filter(|node| *node != self.me);
        let members = others.map(|node| Member::alive(id(node)));
        let _ = self.foca.apply_many(members, false, Host { now, out });
    }

    fn receive(&mut self, now: Time, _: Node, packet: &[u8], out: &mut Out<Self::Timer>) {
        // Its errors are complaints about packets; the network sends none that is damaged.
        let _ = self.foca.handle_data(packet, Host { now, out });
    }

    fn fire(&mut self, now: Time, timer: Self::Timer, out: &mut Out<Self::Timer>) {
        let _ = self.foca.handle_timer(timer, Host { now, out });
    }

    fn link_up(&mut self, _: Time, _: Node, _: bool, _: &mut Out<Self::Timer>) {}

    fn dial_failed(&mut self, _: Time, _: Node, _: &mut Out<Self::Timer>) {}

    fn live(&self) -> usize {
        self.foca.num_members() + 1
    }
}
