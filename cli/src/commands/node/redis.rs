//! Flags of `storgo node run` for the Redis door.

use std::net::SocketAddr;

use clap::Args;
use storgo_node::{RedisConfig, TlsConfig};

/// Where the door is, and who comes in.
#[derive(Debug, Args)]
pub(super) struct RedisArgs {
    /// Takes the Redis protocol here, for keys in a bucket of yours. Who connects may do what you may, unless --redis-auth
    /// is given; addresses that other machines reach want that and --redis-tls
    #[arg(id = "redis", long = "redis", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Takes datagrams here, too, of who publishes and subscribes by them (docs/redis.md, "Over UDP"). They have no TLS:
    /// addresses that other machines reach want --redis-auth and --redis-plain
    #[arg(long = "redis-udp", value_name = "ADDRESS")]
    udp: Option<SocketAddr>,

    /// The bucket that keys of the Redis protocol are in, made at first use [default: redis]
    #[arg(long = "redis-bucket", value_name = "BUCKET")]
    bucket: Option<String>,

    /// Lets Redis's clients in by access keys of the bucket alone (storgo key create)
    #[arg(long = "redis-auth")]
    auth: bool,

    /// Speaks TLS with Redis's clients: a certificate and its private key, both in PEM
    #[arg(long = "redis-tls", value_name = "CERT.pem,KEY.pem", value_parser = parse_tls)]
    tls: Option<TlsConfig>,

    /// Lets Redis's clients of other machines connect in clear: whoever sees the line reads keys, values and secrets
    #[arg(long = "redis-plain")]
    plain: bool,
}

impl RedisArgs {
    /// Puts what was said over what the file says.
    pub(super) fn over(self, config: &mut RedisConfig) {
        config.listen = self.listen.or(config.listen);
        config.udp = self.udp.or(config.udp);
        config.auth |= self.auth;
        config.plain |= self.plain;
        if let Some(bucket) = self.bucket {
            config.bucket = bucket;
        }
        if let Some(tls) = self.tls {
            config.tls = Some(tls);
        }
    }
}

/// Two files, with a comma between.
fn parse_tls(text: &str) -> Result<TlsConfig, String> {
    match text.split(',').collect::<Vec<_>>().as_slice() {
        [cert, key] if !cert.is_empty() && !key.is_empty() => Ok(TlsConfig { cert: cert.into(), key: key.into() }),
        _ => Err("expected two files, CERT.pem,KEY.pem".into()),
    }
}
