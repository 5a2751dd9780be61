//! How much one caller may ask: requests a second, requests under way.
//!
//! Each caller has a bucket that holds two seconds' worth of requests and is filled at the rate; a request takes one out. Each
//! also has seats, and a request keeps its own until its answer has been sent to the end. Nobody waits for either: a host that
//! queued requests would spend its memory on those who ask the most. Strangers share the bucket of their address, which is
//! taken from only by what was refused, so a stranger behind the same proxy costs a caller nothing.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::problem::Problem;

/// A page that loads, or a client that starts, asks for many things at once.
const SECONDS_IN_BUCKET: f64 = 2.0;

/// From this many callers on, those who ask for nothing are forgotten: a stranger must not fill the memory with addresses.
const CALLERS: usize = 10_000;

/// What one caller may ask of a host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// None: any number.
    pub requests_per_second: Option<u32>,
    /// None: any number.
    pub requests_under_way: Option<u32>,
}

/// What callers have asked lately.
pub(super) struct Meter {
    limits: Limits,
    callers: Mutex<HashMap<String, Account>>,
}

struct Account {
    /// Requests that may be made now.
    left: f64,
    at: Instant,
    under_way: u32,
}

/// A request under way.
pub(super) struct Seat {
    meter: Arc<Meter>,
    caller: String,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, callers: Mutex::default() })
    }

    /// A seat for a request of this caller; none where there is no limit.
    ///
    /// # Errors
    /// 429, with when to come again.
    pub(super) fn seat(self: &Arc<Self>, caller: &str) -> Result<Option<Seat>, Problem> {
        let Limits { requests_per_second, requests_under_way, .. } = self.limits;
        if requests_per_second.is_none() && requests_under_way.is_none() {
            return Ok(None);
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let account = self.account(&mut callers, caller, Instant::now());
        if let Some(most) = requests_under_way
            && account.under_way >= most
        {
            let detail =
                format!("{caller} has {most} requests under way, and may have no more: wait for one to be answered");
            return Err(too_many(detail, 1.0));
        }
        self.take(account, caller)?;
        account.under_way += 1;
        Ok(Some(Seat { meter: Arc::clone(self), caller: caller.to_owned() }))
    }

    /// Counts a request that was refused.
    ///
    /// # Errors
    /// As [`Meter::seat`].
    pub(super) fn count(&self, caller: &str) -> Result<(), Problem> {
        if self.limits.requests_per_second.is_none() {
            return Ok(());
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let account = self.account(&mut callers, caller, Instant::now());
        self.take(account, caller)
    }

    fn take(&self, account: &mut Account, caller: &str) -> Result<(), Problem> {
        let Some(rate) = self.limits.requests_per_second else { return Ok(()) };
        if account.left < 1.0 {
            let detail = format!("{caller} asks more than {rate} times a second: ask again later");
            return Err(too_many(detail, (1.0 - account.left) / f64::from(rate)));
        }
        account.left -= 1.0;
        Ok(())
    }

    /// The caller's account as it is now.
    fn account<'m>(&self, callers: &'m mut HashMap<String, Account>, caller: &str, now: Instant) -> &'m mut Account {
        let rate = self.limits.requests_per_second.map_or(0.0, f64::from);
        let full = (rate * SECONDS_IN_BUCKET).max(1.0);
        if callers.len() >= CALLERS && !callers.contains_key(caller) {
            let full_again =
                |account: &Account| account.left + now.duration_since(account.at).as_secs_f64() * rate >= full;
            callers.retain(|_, account| account.under_way > 0 || !full_again(account));
        }
        let account = callers.entry(caller.to_owned()).or_insert(Account { left: full, at: now, under_way: 0 });
        account.left = (account.left + now.duration_since(account.at).as_secs_f64() * rate).min(full);
        account.at = now;
        account
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut callers = self.meter.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = callers.get_mut(&self.caller) {
            account.under_way = account.under_way.saturating_sub(1);
        }
    }
}

impl Seat {
    /// The answer, with the seat kept until it has been sent or given up.
    pub(super) fn until_sent(self, response: Response) -> Response {
        response.map(|body| Body::new(Seated { body, _seat: self }))
    }
}

/// A body that keeps a seat.
struct Seated {
    body: Body,
    _seat: Seat,
}

impl HttpBody for Seated {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_many(detail: String, seconds: f64) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn meter(requests_per_second: Option<u32>, requests_under_way: Option<u32>) -> Arc<Meter> {
        Meter::new(Limits { body: 0, requests_per_second, requests_under_way })
    }

    #[test]
    fn a_bucket_holds_two_seconds_and_each_caller_has_one() {
        let meter = meter(Some(3), None);
        let taken = (0..100).take_while(|_| meter.seat("a").is_ok()).count();
        assert!((6..=7).contains(&taken), "{taken}");
        assert!(meter.seat("b").is_ok());
    }

    #[test]
    fn a_bucket_fills_at_the_rate_and_no_further() {
        let meter = meter(Some(3), None);
        let start = Instant::now();
        let mut callers = HashMap::new();
        meter.account(&mut callers, "a", start).left = 0.0;
        let after = |callers: &mut HashMap<_, _>, seconds| {
            meter.account(callers, "a", start + Duration::from_secs(seconds)).left.round()
        };
        assert!((after(&mut callers, 1) - 3.0).abs() < f64::EPSILON);
        assert!((after(&mut callers, 60) - 6.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_seat_is_free_again_when_its_request_ends() {
        let meter = meter(None, Some(2));
        let (first, second) = (meter.seat("a").unwrap(), meter.seat("a").unwrap());
        assert!(meter.seat("a").is_err());
        assert!(meter.seat("b").is_ok());
        drop(first);
        assert!(meter.seat("a").unwrap().is_some());
        drop(second);
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let meter = meter(None, None);
        assert!(meter.seat("a").unwrap().is_none() && meter.count("a").is_ok());
        assert!(meter.callers.lock().unwrap().is_empty());
    }

    #[test]
    fn callers_who_are_quiet_are_forgotten() {
        let meter = meter(Some(1), None);
        let mut callers = HashMap::new();
        let start = Instant::now();
        for number in 0..CALLERS {
            meter.account(&mut callers, &number.to_string(), start);
        }
        meter.account(&mut callers, "another", start + Duration::from_secs(60));
        assert_eq!(callers.len(), 1);
    }
}
