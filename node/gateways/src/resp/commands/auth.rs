//! `AUTH` and `ACL`: who a client is, and what it may do by the access key that it showed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::limits::RESP_WRONG_AUTH_MS;

use super::super::guard::{Credentials, User};
use super::super::reply::Reply;
use super::super::shared::Shared;
use super::super::state::State;
use super::parts::{HELPS, NONE, help};
use super::server::OPEN;
use super::{Begun, Command, Outcome, syntax};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "auth", arity: -2, flags: OPEN, keys: NONE, begin: auth },
];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "acl|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("ACL", HELP) },
    Command { name: "acl|whoami", arity: 2, flags: &["noscript", "loading", "stale"], keys: NONE, begin: whoami },
];

const HELP: &[&str] = &["WHOAMI", "    The id of the access key that this connection showed, or default."];

/// What the user is called of whoever did not say who it is.
pub(super) const EVERYBODY: &str = "default";

/// Flags of commands that change something: keys, or how the door is kept and who is in it.
const CHANGES: &[&str] = &["write", "admin"];

/// Commands that say something to others, in the name of the door's own user at other doors.
const SPEAKS: &[&str] = &["publish", "spublish"];

/// Whether a client may ask for a command.
///
/// # Errors
/// What it is told if not.
pub(super) fn permit(state: &State, command: &Command) -> Result<(), Reply> {
    if state.shared().guard.is_none() || command.flags.contains(&"no_auth") {
        return Ok(());
    }
    let user = state.client().user().ok_or_else(|| Reply::error("NOAUTH Authentication required."))?;
    let changes = command.flags.iter().any(|flag| CHANGES.contains(flag)) || SPEAKS.contains(&command.name);
    if user.writes || !changes {
        return Ok(());
    }
    state.shared().stats.forbidden.fetch_add(1, Ordering::Relaxed);
    Err(Reply::error(format!("NOPERM this user has no permissions to run the '{}' command", command.name)))
}

/// What is told to a stranger that greets without saying who it is.
pub(super) fn no_hello() -> Reply {
    Reply::error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
         option can be used to authenticate the client and select the RESP protocol version at the same time",
    )
}

/// What a client says of itself. Who names everybody, or nobody, is whoever knows the secret.
pub(super) fn credentials(name: Option<&Bytes>, secret: Bytes) -> Credentials {
    Credentials { name: name.filter(|name| *name != EVERYBODY).cloned(), secret }
}

/// Looks whether a client is who it says, and goes on if it is. If not it waits: nothing that it sent behind is looked at
/// meanwhile, and nobody else is held up.
///
/// # Errors
/// What it is told where nobody has to say who it is.
pub(super) fn check(
    state: &mut State,
    said: Credentials,
    then: impl FnOnce(&mut State) -> Reply + Send + 'static,
) -> Result<Begun, Reply> {
    let shared = Arc::clone(state.shared());
    if shared.guard.is_none() {
        // There is one user, who has no password.
        return if said.name.is_none() { Ok(then(state).into()) } else { Err(wrong(&shared)) };
    }
    Ok(Begun::Changing(Box::pin(async move {
        let user = admit(&shared, &said).await;
        let outcome: Outcome = Box::new(move |state| match user {
            Some(user) => {
                state.client().set_user(Some(user));
                then(state)
            }
            None => wrong(state.shared()),
        });
        outcome
    })))
}

async fn admit(shared: &Shared, said: &Credentials) -> Option<User> {
    let user = shared.guard.as_ref()?.admit(said).await;
    if user.is_none() {
        tokio::time::sleep(Duration::from_millis(RESP_WRONG_AUTH_MS)).await;
    }
    user
}

/// Counts that somebody is not who it says; what it is told.
fn wrong(shared: &Shared) -> Reply {
    shared.stats.wrong_auth.fetch_add(1, Ordering::Relaxed);
    Reply::error("WRONGPASS invalid username-password pair or user is disabled.")
}

fn auth(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let said = match args {
        [_, _] if state.shared().guard.is_none() => {
            return Err(Reply::error(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        [_, secret] => credentials(None, secret.clone()),
        [_, name, secret] => credentials(Some(name), secret.clone()),
        _ => return Err(syntax()),
    };
    check(state, said, |_| Reply::OK)
}

#[expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]
fn whoami(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    Ok(Reply::Bulk(state.client().user_name()).into())
}
