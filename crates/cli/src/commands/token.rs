//! `phalanx token`: who may do what.
//!
//! Over HTTP for those who have an admin's token; on the database itself for those who can open it, which is how the first token
//! is made. A secret is shown once; only its hash is kept.

use phalanx_api::{NewToken, Scope, TokenMade, TokenView};
use phalanx_gateway::{new_secret, secret_hash};
use serde::Serialize;

use super::database::with_queue;
use crate::{
    error::{Error, Result},
    printer::Printer,
    server::{ServerArgs, patiently},
    span::{self, ago, now_ms, show_ms},
    table::Table,
    text::harmless,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Make a token and show its secret, once
    Create(CreateArgs),
    /// List all tokens, without their secrets
    List(PlaceArgs),
    /// Make a token worth nothing
    Revoke(RevokeArgs),
}

/// Where tokens are looked after.
#[derive(clap::Args, Debug)]
pub struct PlaceArgs {
    /// Work on this database itself instead of asking the gateway, such as sqlite:queue.db or postgres://…
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// What it allows: client, worker or admin
    #[arg(long, value_name = "SCOPE")]
    scope: Scope,

    /// Whose jobs it submits and sees
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,

    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,

    /// It is valid for this time, such as 12h or 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = span::parse_ms)]
    expires: Option<u64>,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// The token's id, as `phalanx token list` shows it
    id: String,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Listed {
    tokens: Vec<TokenView>,
}

#[derive(Serialize)]
struct Revoked<'a> {
    revoked: &'a str,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.verb {
        Verb::Create(args) => create(args, printer),
        Verb::List(args) => list(args, printer),
        Verb::Revoke(args) => revoke(args, printer),
    }
}

fn create(args: &CreateArgs, printer: &Printer) -> Result<()> {
    let token = NewToken {
        scope: args.scope,
        tenant: args.tenant.clone(),
        note: args.note.clone(),
        expires_after_ms: args.expires,
    };
    let made = match &args.place.database_url {
        Some(url) => make(url, token)?,
        // Not repeated: each request that arrives makes another token.
        None => args.place.server.client()?.create_token(&token)?,
    };
    if printer.is_json() {
        return printer.object(&made);
    }
    let TokenView { id, scope, tenant, .. } = &made.token;
    printer
        .talk()
        .line(&format!("token {id}: {scope} of tenant {}; its secret is shown only now:", harmless(tenant.as_bytes())));
    printer.line(&made.secret)
}

fn make(url: &str, token: NewToken) -> Result<TokenMade> {
    let secret = new_secret().map_err(|cause| Error::ours(format!("cannot make a secret: {cause}")))?;
    let hash = secret_hash(&secret);
    let token = with_queue(url, |queue| async move { queue.create_token(&hash, &token).await })?;
    Ok(TokenMade { token, secret })
}

fn list(args: &PlaceArgs, printer: &Printer) -> Result<()> {
    let tokens = match &args.database_url {
        Some(url) => with_queue(url, |queue| async move { queue.tokens().await })?,
        None => {
            let client = args.server.client()?;
            patiently(&client, || client.tokens())?
        }
    };
    if printer.is_json() {
        return printer.object(&Listed { tokens });
    }
    if tokens.is_empty() {
        printer.talk().line("no tokens; `phalanx token create` makes one");
        return Ok(());
    }
    let mut table = Table::new(&["ID", "SCOPE", "TENANT", "STATE", ">AGE", "NOTE"]);
    for token in &tokens {
        let age = show_ms(now_ms().saturating_sub(token.created_ms) / 1000 * 1000);
        let [tenant, note] = [&token.tenant, &token.note].map(|text| harmless(text.as_bytes()).replace('\n', " "));
        table.row([token.id.clone(), token.scope.to_string(), tenant, state(token), age, note]);
    }
    table.lines().into_iter().try_for_each(|line| printer.line(line))
}

fn state(token: &TokenView) -> String {
    match (token.revoked_ms, token.expires_ms) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(expires_ms)) if expires_ms <= now_ms() => format!("expired {} ago", ago(expires_ms)),
        (None, Some(expires_ms)) => format!("valid for {}", show_ms(expires_ms.saturating_sub(now_ms()) / 1000 * 1000)),
        (None, None) => "valid".to_owned(),
    }
}

fn revoke(args: &RevokeArgs, printer: &Printer) -> Result<()> {
    let id = args.id.as_str();
    match &args.place.database_url {
        Some(url) => {
            let name = id.to_owned();
            if !with_queue(url, |queue| async move { queue.revoke_token(&name).await })? {
                return Err(
                    Error::input(format!("there is no token {id}")).hint("`phalanx token list` shows all of them")
                );
            }
        }
        None => {
            let client = args.place.server.client()?;
            patiently(&client, || client.revoke_token(id))?;
        }
    }
    if printer.is_json() { printer.object(&Revoked { revoked: id }) } else { printer.line(format!("revoked  {id}")) }
}
