use std::fmt;

/// The type of a journal's entry: a command, which a handler issued, or a notification, which the server answered with.
///
/// A newtype over the protocol's number, so that an entry of a newer protocol can be kept and shown, if not replayed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKind(pub u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $row:literal, $words:literal;)*) => {
        impl EntryKind {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// The type from what stands in `sys_journal.entry_type`.
            #[must_use]
            pub fn from_row(entry_type: &str) -> Option<Self> {
                match entry_type {
                    $($row => Some(Self::$constant),)*
                    _ => None,
                }
            }

            /// What stands in `sys_journal.entry_type` for this type; nothing for an unknown one.
            #[must_use]
            pub fn row(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($row),)*
                    _ => None,
                }
            }

            /// The type in a word or two, for people.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$constant => $words,)*
                    _ => "unknown entry",
                }
            }
        }
    };
}

kinds! {
    /// The input of the handler.
    INPUT = 0x0400, "Command: Input", "input";
    /// What the handler returned.
    OUTPUT = 0x0401, "Command: Output", "output";
    /// A read of state that the server is asked for.
    GET_LAZY_STATE = 0x0402, "Command: GetLazyState", "get state";
    /// A write of state.
    SET_STATE = 0x0403, "Command: SetState", "set state";
    /// State that is cleared under one key.
    CLEAR_STATE = 0x0404, "Command: ClearState", "clear state";
    /// State that is cleared under all keys.
    CLEAR_ALL_STATE = 0x0405, "Command: ClearAllState", "clear all state";
    /// The state's keys, which the server is asked for.
    GET_LAZY_STATE_KEYS = 0x0406, "Command: GetLazyStateKeys", "get state keys";
    /// A read of state that the SDK knew.
    GET_EAGER_STATE = 0x0407, "Command: GetEagerState", "get state";
    /// The state's keys, which the SDK knew.
    GET_EAGER_STATE_KEYS = 0x0408, "Command: GetEagerStateKeys", "get state keys";
    /// A promise of a workflow that is awaited.
    GET_PROMISE = 0x0409, "Command: GetPromise", "get promise";
    /// A promise of a workflow that is looked at.
    PEEK_PROMISE = 0x040A, "Command: PeekPromise", "peek promise";
    /// A promise of a workflow that is kept or broken.
    COMPLETE_PROMISE = 0x040B, "Command: CompletePromise", "complete promise";
    /// A timer.
    SLEEP = 0x040C, "Command: Sleep", "sleep";
    /// A call of another handler.
    CALL = 0x040D, "Command: Call", "call";
    /// A message to another handler.
    ONE_WAY_CALL = 0x040E, "Command: OneWayCall", "send";
    /// A signal to another invocation; cancelling is one.
    SEND_SIGNAL = 0x0410, "Command: SendSignal", "send signal";
    /// A side effect.
    RUN = 0x0411, "Command: Run", "run";
    /// The output of another invocation that is awaited.
    ATTACH_INVOCATION = 0x0412, "Command: AttachInvocation", "attach";
    /// The output of another invocation that is looked at.
    GET_INVOCATION_OUTPUT = 0x0413, "Command: GetInvocationOutput", "get output";
    /// An awakeable that is resolved or rejected.
    COMPLETE_AWAKEABLE = 0x0414, "Command: CompleteAwakeable", "complete awakeable";
    /// The answer to [`Self::GET_LAZY_STATE`].
    GET_LAZY_STATE_DONE = 0x8002, "Notification: GetLazyState", "state";
    /// The answer to [`Self::GET_LAZY_STATE_KEYS`].
    GET_LAZY_STATE_KEYS_DONE = 0x8006, "Notification: GetLazyStateKeys", "state keys";
    /// The answer to [`Self::GET_PROMISE`].
    GET_PROMISE_DONE = 0x8009, "Notification: GetPromise", "promise";
    /// The answer to [`Self::PEEK_PROMISE`].
    PEEK_PROMISE_DONE = 0x800A, "Notification: PeekPromise", "promise";
    /// The answer to [`Self::COMPLETE_PROMISE`].
    COMPLETE_PROMISE_DONE = 0x800B, "Notification: CompletePromise", "promise completed";
    /// A timer that fired.
    SLEEP_DONE = 0x800C, "Notification: Sleep", "slept";
    /// What a call returned.
    CALL_DONE = 0x800D, "Notification: Call", "call returned";
    /// The id of an invocation that was called or sent to.
    CALL_INVOCATION_ID = 0x800E, "Notification: CallInvocationId", "invocation id";
    /// What a side effect gave.
    RUN_DONE = 0x8011, "Notification: Run", "run returned";
    /// The answer to [`Self::ATTACH_INVOCATION`].
    ATTACH_INVOCATION_DONE = 0x8012, "Notification: AttachInvocation", "attached invocation returned";
    /// The answer to [`Self::GET_INVOCATION_OUTPUT`].
    GET_INVOCATION_OUTPUT_DONE = 0x8013, "Notification: GetInvocationOutput", "output";
    /// A signal that arrived: an awakeable's result, a named signal, or the cancellation.
    SIGNAL = 0xFBFF, "Notification: Signal", "signal";
}

impl EntryKind {
    /// Whether a handler issued it.
    #[must_use]
    pub fn is_command(self) -> bool {
        (0x0400..0x8000).contains(&self.0)
    }

    /// Whether the server answered with it.
    #[must_use]
    pub fn is_notification(self) -> bool {
        (0x8000..0xFC00).contains(&self.0)
    }

    /// Whether this version of the crate can read it.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.row().is_some()
    }

    /// How many ids of completions the SDK takes for such a command. A read of state takes one also where it needs none.
    pub(crate) fn completions(self) -> u32 {
        match self {
            Self::CALL => 2,
            Self::GET_LAZY_STATE
            | Self::GET_EAGER_STATE
            | Self::GET_LAZY_STATE_KEYS
            | Self::GET_EAGER_STATE_KEYS
            | Self::GET_PROMISE
            | Self::PEEK_PROMISE
            | Self::COMPLETE_PROMISE
            | Self::SLEEP
            | Self::ONE_WAY_CALL
            | Self::RUN
            | Self::ATTACH_INVOCATION
            | Self::GET_INVOCATION_OUTPUT => 1,
            _ => 0,
        }
    }

    /// Of a command that is completed: the type of the notification with its result.
    pub(crate) fn completion(self) -> Option<Self> {
        match self {
            Self::SEND_SIGNAL | Self::COMPLETE_AWAKEABLE | Self::GET_EAGER_STATE | Self::GET_EAGER_STATE_KEYS => None,
            Self::ONE_WAY_CALL => Some(Self::CALL_INVOCATION_ID),
            kind if kind.completions() > 0 => Some(Self(kind.0 - 0x0400 + 0x8000)),
            _ => None,
        }
    }

    /// Of reads, which the SDK answers itself or asks the server for: the one name of both, as the same code takes either way.
    pub(crate) fn as_issued(self) -> Self {
        match self {
            Self::GET_EAGER_STATE => Self::GET_LAZY_STATE,
            Self::GET_EAGER_STATE_KEYS => Self::GET_LAZY_STATE_KEYS,
            other => other,
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some(row) => f.write_str(row),
            None => write!(f, "entry of type {:#06x}", self.0),
        }
    }
}

impl fmt::Debug for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_has_its_commands_number() {
        assert_eq!(EntryKind::RUN.completion(), Some(EntryKind::RUN_DONE));
        assert_eq!(EntryKind::CALL.completion(), Some(EntryKind::CALL_DONE));
        assert_eq!(EntryKind::ONE_WAY_CALL.completion(), Some(EntryKind::CALL_INVOCATION_ID));
        assert_eq!(EntryKind::GET_INVOCATION_OUTPUT.completion(), Some(EntryKind::GET_INVOCATION_OUTPUT_DONE));
        assert_eq!(EntryKind::SET_STATE.completion(), None);
    }

    #[test]
    fn rows_are_read_back() {
        for number in 0..=u16::MAX {
            let kind = EntryKind(number);
            if let Some(row) = kind.row() {
                assert_eq!(EntryKind::from_row(row), Some(kind));
                assert!(kind.is_command() != kind.is_notification(), "{kind}");
                assert_eq!(kind.is_command(), row.starts_with("Command: "));
            }
        }
    }
}
