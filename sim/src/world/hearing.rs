//! What a connection has brought is told: to the node what is the machine's, to the host what is a
//! session's.

use quorate_core::node::Event;
use quorate_core::transport::CloseReason;

use super::World;
use super::sessions::{Heard, News};
use super::traffic::Tie;
use crate::marks::Mark;

impl World {
    pub(super) fn on_heard(
        &mut self,
        conn: usize,
        end: usize,
        [before, after]: [Tie; 2],
        heard: Vec<Heard>,
    ) {
        let Some(state) = self.conns[conn].as_ref() else {
            return;
        };
        let (host, peer) = (state.ends[end].host, state.ends[1 - end].host);
        let (life, mut tie) = (self.hosts[host].life, before);
        let mut all_news = Vec::new();
        // What a session has brought is the host's, even if the connection is closed now, and
        // before what the node is told ends the process.
        for heard in heard {
            match heard {
                Heard::Resumed | Heard::Lost => {
                    tie = after;
                    let directions = self.directions_of(host, peer, tie);
                    self.on_joined(directions, heard == Heard::Lost);
                }
                Heard::Letter(letter) => {
                    if let Some(directions) = self.directions_of(host, peer, tie) {
                        self.on_letter(directions, letter);
                    }
                }
                Heard::News(news) => all_news.push(news),
            }
        }
        for news in all_news {
            if self.is_life(host, life) {
                self.on_news(conn, end, news);
            }
        }
        self.on_letters_taken(host, peer);
    }

    /// What a connection tells the node, as long as it is open.
    fn on_news(&mut self, conn: usize, end: usize, news: News) {
        let Some(state) = self.conns[conn].as_mut().filter(|conn| conn.ends[end].open) else {
            return;
        };
        let to = &mut state.ends[end];
        let (host, link) = (to.host, to.link_id);
        match news {
            News::Established(hello) => {
                to.up = true;
                let address = to.dialed.unwrap_or(hello.address);
                let (peer, dialed) = (hello.peer, to.dialed.is_some());
                let up = Event::LinkUp {
                    link,
                    peer,
                    address,
                    dialed,
                };
                self.step(host, up);
            }
            News::Node(Ok(message)) => self.step(host, Event::Received { link, message }),
            News::Node(Err(what)) => {
                let id = self.hosts[host].id;
                self.demand("wire", Err(format!("{id} cannot read {what}")));
            }
            News::Closed(reason) => {
                self.on_closed(&reason);
                self.close_end(conn, end);
            }
            News::Unasked => {
                self.demand("wire", Err("a host's frame that nobody sent".to_string()));
            }
        }
    }

    fn on_closed(&mut self, reason: &CloseReason) {
        if *reason == CloseReason::Idle {
            self.marks.hit(Mark::HalfOpenClosed);
        }
        if let CloseReason::Fault(fault) = reason {
            let what = format!("a connection accuses an honest end of {fault:?}");
            self.demand("link_delivers", Err(what));
        }
    }
}
