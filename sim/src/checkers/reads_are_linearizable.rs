//! A confirmed read sees every write that was acknowledged before it began, nothing that was not
//! asked for, and never less than a read that ended before it began (Herlihy and Wing 1990).
//!
//! The clients make this cheap to tell: each writes a register of its own, and writes 1, 2, 3, … to
//! it, one after the other. So a register is linearizable if its values only ever grow, from the
//! moment on at which somebody was told of them.

use std::collections::BTreeMap;

use super::Verdict;

/// The least that each register holds, as somebody was told.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    told: BTreeMap<usize, u64>,
}

impl Checker {
    /// A write of `value` to the register of a client was acknowledged.
    pub fn written(&mut self, register: usize, value: u64) {
        let told = self.told.entry(register).or_default();
        *told = value.max(*told);
    }

    /// The least that a read may see which begins now.
    #[must_use]
    pub fn begins(&self, register: usize) -> u64 {
        self.told.get(&register).copied().unwrap_or(0)
    }

    /// A read that had to see at least `least` was answered with `value`, 0 if there is none;
    /// values up to `asked` were asked for.
    ///
    /// # Errors
    /// It saw something older, or something that was never written.
    pub fn read(&mut self, register: usize, least: u64, value: u64, asked: u64) -> Verdict {
        if value < least {
            return Err(format!(
                "a confirmed read of register {register} gives write {value}, but write {least} \
                 was acknowledged or read before it began"
            ));
        }
        if value > asked {
            return Err(format!(
                "a confirmed read of register {register} gives write {value}, but only {asked} \
                 were asked for"
            ));
        }
        self.written(register, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_value_is_refused_and_one_that_was_not_acknowledged_yet_is_not() {
        let mut checker = Checker::default();
        checker.written(1, 3);
        let first = checker.begins(1);
        checker.written(1, 4);
        assert_eq!(checker.read(1, first, 3, 5), Ok(()), "it began before");
        let second = checker.begins(1);
        assert!(checker.read(1, second, 3, 5).is_err());
        assert_eq!(checker.read(1, second, 5, 5), Ok(()), "it is on its way");
        assert!(checker.read(1, checker.begins(1), 4, 5).is_err(), "back");
        assert!(checker.read(1, second, 6, 5).is_err(), "out of thin air");
        assert_eq!(checker.read(2, checker.begins(2), 0, 0), Ok(()));
    }
}
