//! What a stage returns: go on, or decided. `?` on a [`Stage`] means "decided".

use core::ops::ControlFlow;

use abi::{Reason, Verdict};

/// A verdict with its reason, in one register, as subprograms return it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Decision(u32);

/// A stage's outcome: `Break` is final.
pub type Stage<T = ()> = ControlFlow<Decision, T>;

const DECIDED: u32 = 1 << 31;

impl Decision {
    /// A verdict and its reason.
    #[inline(always)]
    pub const fn new(verdict: Verdict, reason: Reason) -> Self {
        Self::from_numbers(verdict as u8, reason as u16)
    }

    /// The same from numbers, as flows keep them.
    #[inline(always)]
    pub const fn from_numbers(verdict: u8, reason: u16) -> Self {
        Self(DECIDED | (verdict as u32 & 3) << 16 | reason as u32)
    }

    /// Verdict number.
    #[inline(always)]
    pub const fn verdict(self) -> u8 {
        (self.0 >> 16) as u8 & 3
    }

    /// Reason number.
    #[inline(always)]
    pub const fn reason(self) -> u16 {
        self.0 as u16
    }

    /// The decision as a number other than 0.
    #[inline(always)]
    pub const fn code(self) -> u32 {
        self.0
    }

    /// Back from [`Self::code`].
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        Self(code)
    }

    /// Whether the packet goes no further.
    #[inline(always)]
    pub const fn is_drop(self) -> bool {
        self.verdict() == Verdict::Drop as u8
    }
}

/// Drops for a reason.
#[inline(always)]
pub const fn drop<T>(reason: Reason) -> Stage<T> {
    ControlFlow::Break(Decision::new(Verdict::Drop, reason))
}

/// Leaves the packet to the gateway itself.
#[inline(always)]
pub const fn local<T>(reason: Reason) -> Stage<T> {
    ControlFlow::Break(Decision::new(Verdict::Local, reason))
}

/// The next stage.
#[inline(always)]
pub const fn go_on() -> Stage {
    ControlFlow::Continue(())
}

/// What must be there: table entries that the compiled policy refers to, map entries whose index is in range.
#[inline(always)]
pub fn need<T>(there: Option<T>) -> Stage<T> {
    match there {
        Some(value) => ControlFlow::Continue(value),
        None => drop(Reason::Internal),
    }
}

/// What the frame should have had room for.
#[inline(always)]
pub fn or_drop<T>(there: Option<T>, reason: Reason) -> Stage<T> {
    match there {
        Some(value) => ControlFlow::Continue(value),
        None => drop(reason),
    }
}

/// A stage's outcome as a subprogram's return value; 0: go on.
#[inline(always)]
pub const fn to_code(stage: Stage) -> u32 {
    match stage {
        ControlFlow::Continue(()) => 0,
        ControlFlow::Break(decision) => decision.0,
    }
}

/// Back from [`to_code`].
#[inline(always)]
pub const fn from_code(code: u32) -> Stage {
    match code {
        0 => ControlFlow::Continue(()),
        code => ControlFlow::Break(Decision(code)),
    }
}
