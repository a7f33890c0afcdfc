//! Triggers, the queue, runs and their log.
//!
//! A run's arguments stand in `run_detail.kwargs` until the run has ended, in `shown` without what is secret in them. Steps that may end a run
//! say with their answer whether something secret was taken away: the caller then cleans up behind it.
//!
//! Everything here runs inside a transaction. Where two locks are needed, the trigger's row comes first, then the run's.

use super::{AT_ONCE, Connection, Database, Row};
use crate::state::runs::{
    Counts, DayCalls, Detail, End, Filter, HourRuns, LogLine, NewRun, Node, ObjectSummary, OpenRun, Origin,
    Ours, Record, Status, Taken, TriggerRow,
};
use crate::state::{Time, said};
use sqlx::{QueryBuilder, Row as _};

/// How long whoever takes a run next has for it, where nothing else is said.
const AGAIN: Time = 900 * funchost_collectors::clock::SECOND;

/// A process that was not heard for so long is not there.
const HEARD: Time = 60 * funchost_collectors::clock::SECOND;

/// The columns of a [`Record`].
macro_rules! columns {
    () => {
        "id, func, origin, trigger_id, tick, delay, ticks, status, reason, created, due, expires, timeout, started, \
         ended, worker, fence, lease, points, calls, stop"
    };
}

macro_rules! records {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM run ", $rest)
    };
}

fn word<T>(found: Option<T>, written: &str) -> sqlx::Result<T> {
    found.ok_or_else(|| sqlx::Error::Decode(format!("`{written}` is not known").into()))
}

fn record(row: &Row) -> sqlx::Result<Record> {
    let origin: String = row.try_get("origin")?;
    let status: String = row.try_get("status")?;
    Ok(Record {
        id: row.try_get("id")?,
        func: row.try_get("func")?,
        origin: word(Origin::read(&origin), &origin)?,
        trigger: row.try_get("trigger_id")?,
        tick: row.try_get("tick")?,
        delay: row.try_get("delay")?,
        ticks: row.try_get("ticks")?,
        status: word(Status::read(&status), &status)?,
        reason: row.try_get("reason")?,
        created: row.try_get("created")?,
        due: row.try_get("due")?,
        expires: row.try_get("expires")?,
        timeout: row.try_get("timeout")?,
        started: row.try_get("started")?,
        ended: row.try_get("ended")?,
        worker: row.try_get("worker")?,
        fence: row.try_get("fence")?,
        lease: row.try_get("lease")?,
        points: row.try_get("points")?,
        calls: row.try_get("calls")?,
        stop: row.try_get::<i64, _>("stop")? != 0,
    })
}

pub(super) async fn announce(
    connection: &mut Connection,
    triggers: &[TriggerRow],
    now: Time,
) -> sqlx::Result<()> {
    let mut triggers: Vec<&TriggerRow> = triggers.iter().collect();
    triggers.sort_by(|one, other| one.id.cmp(&other.id));
    for trigger in triggers {
        // Another crontab, or one that was switched off, has nothing to make up for.
        sqlx::query(
            "INSERT INTO trigger_state (id, func, cron, zone, definition, upto, since, paused, seen, touched)
             VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $6, 0)
             ON CONFLICT (id) DO UPDATE SET func = $2, cron = $3, zone = $4, definition = $5, seen = $6,
                 upto = CASE WHEN trigger_state.upto < $6 AND (trigger_state.cron <> $3 OR trigger_state.zone <> $4
                                  OR trigger_state.definition LIKE '%\"switched\":\"off\"}')
                             THEN $6 ELSE trigger_state.upto END,
                 since = CASE WHEN trigger_state.cron <> $3 OR trigger_state.zone <> $4
                                  OR trigger_state.definition LIKE '%\"switched\":\"off\"}'
                              THEN $6 ELSE trigger_state.since END",
        )
        .bind(&trigger.id)
        .bind(&trigger.func)
        .bind(&trigger.cron)
        .bind(&trigger.zone)
        .bind(&trigger.definition)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn triggers(connection: &mut Connection) -> sqlx::Result<Vec<TriggerRow>> {
    let rows =
        sqlx::query("SELECT id, func, cron, zone, definition, upto, since, paused, seen FROM trigger_state")
            .fetch_all(connection)
            .await?;
    let triggers = rows
        .iter()
        .map(|row: &Row| {
            Ok(TriggerRow {
                id: row.try_get("id")?,
                func: row.try_get("func")?,
                cron: row.try_get("cron")?,
                zone: row.try_get("zone")?,
                definition: row.try_get("definition")?,
                upto: row.try_get("upto")?,
                since: row.try_get("since")?,
                paused: row.try_get::<i64, _>("paused")? != 0,
                seen: row.try_get("seen")?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(super::sorted(triggers, |one: &TriggerRow, other| one.id.cmp(&other.id)))
}

pub(super) async fn pause(
    connection: &mut Connection,
    trigger: &str,
    paused: bool,
    now: Time,
) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "UPDATE trigger_state SET paused = $2, since = $3, upto = CASE WHEN upto > $3 THEN upto ELSE $3 END WHERE id = $1",
    )
    .bind(trigger)
    .bind(i64::from(paused))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() > 0)
}

pub(super) async fn advance(
    connection: &mut Connection,
    trigger: &str,
    from: Time,
    upto: Time,
    runs: &[NewRun],
) -> sqlx::Result<bool> {
    // Holds the trigger's row: a second scheduler waits here, and then finds it moved.
    let moved = sqlx::query("UPDATE trigger_state SET upto = $3 WHERE id = $1 AND upto = $2")
        .bind(trigger)
        .bind(from)
        .bind(upto)
        .execute(&mut *connection)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    for run in runs {
        insert(connection, run).await?;
    }
    Ok(true)
}

/// The run's id; none where this trigger's tick has its run already.
async fn insert(connection: &mut Connection, run: &NewRun) -> sqlx::Result<Option<i64>> {
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO run (func, origin, trigger_id, tick, delay, ticks, status, reason, created, due, expires, timeout, ended)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(&run.func)
    .bind(run.origin.as_str())
    .bind(&run.trigger)
    .bind(run.tick)
    .bind(run.delay)
    .bind(run.ticks)
    .bind(run.status.as_str())
    .bind(&run.reason)
    .bind(run.created)
    .bind(run.due)
    .bind(run.expires)
    .bind(run.timeout)
    .bind(run.status.is_final().then_some(run.created))
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = id {
        let given = if run.status.is_final() { "" } else { run.kwargs.given() };
        sqlx::query("INSERT INTO run_detail (run, kwargs, shown) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(given)
            .bind(run.kwargs.shown())
            .execute(connection)
            .await?;
    }
    Ok(id)
}

pub(super) async fn enqueue(connection: &mut Connection, run: &NewRun) -> sqlx::Result<i64> {
    insert(connection, run).await?.ok_or(sqlx::Error::RowNotFound)
}

pub(super) async fn open_runs(
    connection: &mut Connection,
    now: Time,
    behind: Option<(Time, i64)>,
    count: i64,
) -> sqlx::Result<Vec<OpenRun>> {
    let (due, id) = behind.unwrap_or((Time::MIN, i64::MIN));
    let rows: Vec<(i64, String, Time)> = sqlx::query_as(
        "SELECT id, func, due FROM run WHERE status IN ('queued', 'running') AND (due, id) > ($3, $4)
         AND ((status = 'queued' AND due <= $1) OR (status = 'running' AND lease < $1)) ORDER BY due, id LIMIT $2",
    )
    .bind(now)
    .bind(count)
    .bind(due)
    .bind(id)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, func, due)| OpenRun { id, func, due }).collect())
}

pub(super) async fn next_due(connection: &mut Connection) -> sqlx::Result<Option<Time>> {
    sqlx::query_scalar("SELECT min(due) FROM run WHERE status IN ('queued', 'running') AND status = 'queued'")
        .fetch_one(connection)
        .await
}

pub(super) async fn take(
    connection: &mut Connection,
    run: i64,
    worker: &str,
    now: Time,
    lease: Time,
    attempts: i64,
) -> sqlx::Result<(Taken, Cleared)> {
    let Some(row) = sqlx::query(records!("WHERE id = $1")).bind(run).fetch_optional(&mut *connection).await?
    else {
        return Ok((Taken::Gone, Cleared::Nothing));
    };
    let before = record(&row)?;
    let waits = before.status == Status::Queued && before.due <= now;
    let silent = before.status == Status::Running && before.lease.is_some_and(|lease| lease < now);
    if !waits && !silent {
        return Ok((Taken::Gone, Cleared::Nothing));
    }
    let mut end = None;
    if before.stop {
        end = Some((Status::Interrupted, said::BY_HAND.text().to_owned()));
    } else if waits && before.expires < now {
        end = Some((Status::Expired, said::NO_ROOM.text().to_owned()));
    } else if silent && before.fence >= attempts {
        end = Some((Status::Interrupted, said::SILENT.with(&[&attempts.to_string()])));
    } else if waits
        && before.origin == Origin::Cron
        && let Some(trigger) = &before.trigger
    {
        // One at a time for each trigger: two workers must not both find that no other run goes on.
        sqlx::query("UPDATE trigger_state SET touched = touched + 1 WHERE id = $1")
            .bind(trigger)
            .execute(&mut *connection)
            .await?;
        let other: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM run WHERE trigger_id = $1 AND status = 'running' AND origin = 'cron' AND id <> $2 LIMIT 1",
        )
        .bind(trigger)
        .bind(run)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(other) = other {
            end = Some((Status::Skip, said::BUSY.with(&[&other.to_string()])));
        }
    }
    if let Some((status, reason)) = end {
        let ended = sqlx::query(
            "UPDATE run SET status = $4, reason = $5, ended = $6, lease = NULL WHERE id = $1 AND status = $2 AND fence = $3",
        )
        .bind(run)
        .bind(before.status.as_str())
        .bind(before.fence)
        .bind(status.as_str())
        .bind(reason)
        .bind(now)
        .execute(&mut *connection)
        .await?;
        return Ok(if ended.rows_affected() == 1 {
            (Taken::Ended(status), clear(connection, run, "").await?)
        } else {
            (Taken::Gone, Cleared::Nothing)
        });
    }
    let taken = sqlx::query(
        "UPDATE run SET status = 'running', worker = $4, started = coalesce(started, $5), lease = $6, fence = fence + 1, reason = NULL
         WHERE id = $1 AND status = $2 AND fence = $3",
    )
    .bind(run)
    .bind(before.status.as_str())
    .bind(before.fence)
    .bind(worker)
    .bind(now)
    .bind(lease)
    .execute(&mut *connection)
    .await?;
    if taken.rows_affected() != 1 {
        return Ok((Taken::Gone, Cleared::Nothing));
    }
    let kwargs: Option<String> = sqlx::query_scalar("SELECT kwargs FROM run_detail WHERE run = $1")
        .bind(run)
        .fetch_optional(&mut *connection)
        .await?;
    let last_line: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM log WHERE run = $1")
        .bind(run)
        .fetch_one(connection)
        .await?;
    let ours = Ours {
        from: silent.then(|| before.worker.clone().unwrap_or_default()),
        record: Record {
            status: Status::Running,
            worker: Some(worker.to_owned()),
            // How long it waited, and took, is counted from its first start, however often it was begun again.
            started: before.started.or(Some(now)),
            lease: Some(lease),
            fence: before.fence + 1,
            reason: None,
            ..before
        },
        kwargs: kwargs.unwrap_or_else(|| "{}".into()),
        last_line: last_line.unwrap_or(0),
    };
    Ok((Taken::Yes(Box::new(ours)), Cleared::Nothing))
}

pub(super) async fn hold(
    connection: &mut Connection,
    runs: &[(i64, i64)],
    lease: Time,
) -> sqlx::Result<Vec<(i64, bool)>> {
    let mut ours = Vec::with_capacity(runs.len());
    for (run, fence) in runs {
        let stop: Option<i64> = sqlx::query_scalar(
            "UPDATE run SET lease = $3 WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING stop",
        )
        .bind(run)
        .bind(fence)
        .bind(lease)
        .fetch_optional(&mut *connection)
        .await?;
        ours.extend(stop.map(|stop| (*run, stop != 0)));
    }
    Ok(ours)
}

pub(super) async fn finish(
    connection: &mut Connection,
    run: i64,
    fence: i64,
    end: &End,
    now: Time,
) -> sqlx::Result<(bool, Cleared)> {
    let ended = sqlx::query(
        "UPDATE run SET status = $3, reason = $4, ended = $5, points = $6, calls = $7, lease = NULL
         WHERE id = $1 AND fence = $2 AND status = 'running'",
    )
    .bind(run)
    .bind(fence)
    .bind(end.status.as_str())
    .bind(&end.reason)
    .bind(now)
    .bind(end.points)
    .bind(end.calls)
    .execute(&mut *connection)
    .await?;
    if ended.rows_affected() != 1 {
        return Ok((false, Cleared::Nothing));
    }
    sqlx::query("UPDATE run_detail SET result = $2, report = $3, error = $4, samples = $5 WHERE run = $1")
        .bind(run)
        .bind(&end.detail.result)
        .bind(&end.detail.report)
        .bind(&end.detail.error)
        .bind(&end.detail.samples)
        .execute(&mut *connection)
        .await?;
    Ok((true, clear(connection, run, &end.detail.kwargs).await?))
}

/// Was something secret taken away with a run's arguments?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleared {
    Nothing,
    Secrets,
}

/// Takes a run's arguments away, which only its worker needed: it has ended. `shown` is what stands for them from now on; empty: what did before.
async fn clear(connection: &mut Connection, run: i64, shown: &str) -> sqlx::Result<Cleared> {
    let before: Option<(String, String)> =
        sqlx::query_as("SELECT kwargs, coalesce(shown, '{}') FROM run_detail WHERE run = $1")
            .bind(run)
            .fetch_optional(&mut *connection)
            .await?;
    let Some((given, before)) = before else { return Ok(Cleared::Nothing) };
    let shown = if shown.is_empty() { &before } else { shown };
    let secrets = given != *shown && !given.is_empty();
    if secrets {
        super::wipe(connection, true).await?;
    }
    sqlx::query("UPDATE run_detail SET kwargs = '', shown = $2 WHERE run = $1")
        .bind(run)
        .bind(shown)
        .execute(&mut *connection)
        .await?;
    if secrets {
        super::wipe(connection, false).await?;
    }
    Ok(if secrets { Cleared::Secrets } else { Cleared::Nothing })
}

/// What an older version left: arguments of runs that have ended, and none that may be shown.
pub(super) async fn clear_old(connection: &mut Connection) -> sqlx::Result<()> {
    let runs: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT run.id, run.status, kwargs FROM run_detail JOIN run ON run.id = run_detail.run WHERE shown IS NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (run, status, kwargs) in runs {
        let ended = word(Status::read(&status), &status)?.is_final();
        sqlx::query("UPDATE run_detail SET kwargs = $2, shown = $3 WHERE run = $1")
            .bind(run)
            .bind(if ended { "" } else { &kwargs })
            .bind(crate::hiding::written(&kwargs))
            .execute(&mut *connection)
            .await?;
    }
    // Triggers are announced anew by whoever has them.
    sqlx::query("UPDATE trigger_state SET definition = '{}' WHERE definition NOT LIKE '%\"enabled\":false%'")
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE trigger_state SET definition = '{\"switched\":\"off\"}' WHERE definition <> '{}'")
        .execute(connection)
        .await?;
    Ok(())
}

/// In one transaction: nobody else sees it before it has ended.
pub(super) async fn record_ended(
    connection: &mut Connection,
    run: &NewRun,
    started: Time,
    end: &End,
    now: Time,
) -> sqlx::Result<i64> {
    let running = NewRun { status: Status::Running, ..run.clone() };
    let id = insert(connection, &running).await?.ok_or(sqlx::Error::RowNotFound)?;
    sqlx::query("UPDATE run SET started = $2 WHERE id = $1")
        .bind(id)
        .bind(started)
        .execute(&mut *connection)
        .await?;
    finish(connection, id, 0, end, now).await?;
    Ok(id)
}

pub(super) async fn hand_over(
    connection: &mut Connection,
    run: i64,
    fence: i64,
    reason: &str,
    now: Time,
) -> sqlx::Result<bool> {
    let given = sqlx::query(
        "UPDATE run SET status = 'queued', reason = $3, lease = NULL, expires = CASE WHEN expires > $4 THEN expires ELSE $4 END
         WHERE id = $1 AND fence = $2 AND status = 'running'",
    )
    .bind(run)
    .bind(fence)
    .bind(reason)
    // Who takes it next has as long again as a run may wait when nothing is said.
    .bind(now.saturating_add(AGAIN))
    .execute(connection)
    .await?;
    Ok(given.rows_affected() == 1)
}

pub(super) async fn stop(connection: &mut Connection, run: i64, now: Time) -> sqlx::Result<(bool, Cleared)> {
    let ended = sqlx::query(
        // Of a worker that went silent nobody can ask it, and perhaps nobody has the function to take the run over.
        "UPDATE run SET status = 'interrupted', reason = $3, ended = $2, stop = 1, lease = NULL
         WHERE id = $1 AND (status = 'queued' OR (status = 'running' AND lease < $2))",
    )
    .bind(run)
    .bind(now)
    .bind(said::BY_HAND.text())
    .execute(&mut *connection)
    .await?;
    if ended.rows_affected() == 1 {
        return Ok((true, clear(connection, run, "").await?));
    }
    let asked = sqlx::query("UPDATE run SET stop = 1 WHERE id = $1 AND status = 'running'")
        .bind(run)
        .execute(connection)
        .await?;
    Ok((asked.rows_affected() == 1, Cleared::Nothing))
}

/// Is the run still held by this number? Holds its row until the transaction ends.
pub(super) async fn held(connection: &mut Connection, run: i64, fence: i64) -> sqlx::Result<bool> {
    let held: Option<i64> =
        sqlx::query_scalar(super::HELD).bind(run).bind(fence).fetch_optional(connection).await?;
    Ok(held.is_some())
}

pub(super) async fn log(
    connection: &mut Connection,
    run: i64,
    fence: i64,
    lines: &[LogLine],
) -> sqlx::Result<bool> {
    if !held(connection, run, fence).await? {
        return Ok(false);
    }
    for some in lines.chunks(AT_ONCE) {
        let mut query: QueryBuilder<Database> =
            QueryBuilder::new("INSERT INTO log (run, number, time, since_last, since_start, kind, text) ");
        query.push_values(some, |mut row, line| {
            row.push_bind(run).push_bind(line.number).push_bind(line.time);
            row.push_bind(line.since_last).push_bind(line.since_start).push_bind(&line.kind);
            // PostgreSQL keeps no zero bytes in a text.
            row.push_bind(line.text.replace('\0', "\u{fffd}"));
        });
        query.push(" ON CONFLICT DO NOTHING");
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(true)
}

/// Waiting runs of triggers that are due while another run of theirs goes on: what [`take`] would end, were there room to take one.
macro_rules! overlaps {
    ($start:literal, $rest:literal) => {
        concat!(
            $start,
            " WHERE run.status IN ('queued', 'running') AND run.status = 'queued' AND run.origin = 'cron' AND run.due <= $1 AND run.expires >= $1
              AND EXISTS (SELECT 1 FROM run AS other WHERE other.trigger_id = run.trigger_id AND other.status = 'running' AND other.origin = 'cron')",
            $rest
        )
    };
}

pub(super) async fn has_overlap(connection: &mut Connection, now: Time) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar(overlaps!("SELECT run.id FROM run", " LIMIT 1"))
        .bind(now)
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn skip(connection: &mut Connection, now: Time) -> sqlx::Result<(u64, Cleared)> {
    let skipped: Vec<i64> = sqlx::query_scalar(overlaps!(
        "UPDATE run SET status = 'skip', ended = $1, reason = replace($2, $3, CAST((
             SELECT min(going.id) FROM run AS going WHERE going.trigger_id = run.trigger_id AND going.status = 'running' AND going.origin = 'cron'
         ) AS TEXT))",
        " RETURNING id"
    ))
    .bind(now)
    .bind(said::BUSY.text())
    .bind("{run}")
    .fetch_all(&mut *connection)
    .await?;
    clear_all(connection, &skipped).await
}

pub(super) async fn expire(connection: &mut Connection, now: Time) -> sqlx::Result<(u64, Cleared)> {
    let expired: Vec<i64> = sqlx::query_scalar(
        "UPDATE run SET status = 'expired', reason = $2, ended = $1
         WHERE status IN ('queued', 'running') AND status = 'queued' AND expires < $1 RETURNING id",
    )
    .bind(now)
    .bind(said::NO_WORKER.text())
    .fetch_all(&mut *connection)
    .await?;
    let stopped: Vec<i64> = sqlx::query_scalar(
        "UPDATE run SET status = 'interrupted', reason = $2, ended = $1, lease = NULL
         WHERE status IN ('queued', 'running') AND status = 'running' AND lease < $1 AND stop = 1 RETURNING id",
    )
    .bind(now)
    .bind(said::BY_HAND.text())
    .fetch_all(&mut *connection)
    .await?;
    // A run may be at work long after it would have expired, and everything may have been down: whoever is to take it over has time for
    // it from when it went silent, and from when somebody was there again.
    let abandoned: Vec<i64> = sqlx::query_scalar(
        "UPDATE run SET status = 'interrupted', reason = replace($2, $3, func), ended = $1, lease = NULL
         WHERE status IN ('queued', 'running') AND status = 'running' AND lease < $4 AND expires < $1
         AND EXISTS (SELECT 1 FROM node WHERE roles LIKE $6 AND started < $4 AND seen >= $5) RETURNING id",
    )
    .bind(now)
    .bind(said::ABANDONED.text())
    .bind("{func}")
    .bind(now.saturating_sub(AGAIN))
    .bind(now.saturating_sub(HEARD))
    // A process that only answers, or only fires, takes nothing over.
    .bind("%worker%")
    .fetch_all(&mut *connection)
    .await?;
    let ended = [expired, stopped, abandoned].concat();
    clear_all(connection, &ended).await
}

/// Clears runs that have ended without a worker; says how many they are.
async fn clear_all(connection: &mut Connection, runs: &[i64]) -> sqlx::Result<(u64, Cleared)> {
    let mut cleared = Cleared::Nothing;
    for run in runs {
        if clear(connection, *run, "").await? == Cleared::Secrets {
            cleared = Cleared::Secrets;
        }
    }
    Ok((runs.len() as u64, cleared))
}

/// What a filter asks for and nothing else, so that an index that fits is seen to fit.
fn filtered(start: &str, filter: &Filter) -> QueryBuilder<Database> {
    let mut query = QueryBuilder::new(start);
    query.push(" WHERE 1 = 1");
    if let Some(func) = &filter.func {
        query.push(" AND func = ").push_bind(func.clone());
    }
    if let Some(trigger) = &filter.trigger {
        query.push(" AND trigger_id = ").push_bind(trigger.clone());
    }
    if let Some(status) = filter.status {
        if !status.is_final() {
            // As the index of what is open says it.
            query.push(" AND status IN ('queued', 'running')");
        }
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(origin) = filter.origin {
        query.push(" AND origin = ").push_bind(origin.as_str());
    }
    if let Some(since) = filter.since {
        query.push(" AND created >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        query.push(" AND created < ").push_bind(until);
    }
    query
}

pub(super) async fn runs(
    connection: &mut Connection,
    filter: &Filter,
    skip: i64,
    count: i64,
) -> sqlx::Result<(Vec<Record>, i64)> {
    let mut page = filtered(records!(""), filter);
    page.push(" ORDER BY id DESC LIMIT ").push_bind(count).push(" OFFSET ").push_bind(skip);
    let rows = page.build().fetch_all(&mut *connection).await?;
    let total: i64 =
        filtered("SELECT count(*) FROM run", filter).build_query_scalar().fetch_one(connection).await?;
    Ok((rows.iter().map(record).collect::<sqlx::Result<_>>()?, total))
}

pub(super) async fn run(connection: &mut Connection, id: i64) -> sqlx::Result<Option<(Record, Detail)>> {
    let Some(row) = sqlx::query(records!("WHERE id = $1")).bind(id).fetch_optional(&mut *connection).await?
    else {
        return Ok(None);
    };
    let detail = sqlx::query("SELECT coalesce(shown, '{}') AS kwargs, result, report, error, samples FROM run_detail WHERE run = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let detail = match detail {
        None => Detail::default(),
        Some(row) => Detail {
            kwargs: row.try_get("kwargs")?,
            result: row.try_get("result")?,
            report: row.try_get("report")?,
            error: row.try_get("error")?,
            samples: row.try_get("samples")?,
        },
    };
    Ok(Some((record(&row)?, detail)))
}

pub(super) async fn lines(
    connection: &mut Connection,
    run: i64,
    after: i64,
    count: i64,
) -> sqlx::Result<Vec<LogLine>> {
    let rows = sqlx::query(
        "SELECT number, time, since_last, since_start, kind, text FROM log WHERE run = $1 AND number > $2
         ORDER BY number LIMIT $3",
    )
    .bind(run)
    .bind(after)
    .bind(count)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row: &Row| {
            Ok(LogLine {
                number: row.try_get("number")?,
                time: row.try_get("time")?,
                since_last: row.try_get("since_last")?,
                since_start: row.try_get("since_start")?,
                kind: row.try_get("kind")?,
                text: row.try_get("text")?,
            })
        })
        .collect()
}

/// The last run of each of a column's values, which are found one after the other in the column's index: from each there is one step to the
/// next, and another to its newest run, however many are kept.
///
/// A tick that was skipped tells nothing of how the function does: it would hide that the run before it has failed. It counts where there is
/// no other.
macro_rules! last_of_each {
    ($column:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM (
                 WITH RECURSIVE named (name) AS (
                     SELECT min(",
            $column,
            ") FROM run
                     UNION ALL
                     SELECT (SELECT min(",
            $column,
            ") FROM run WHERE ",
            $column,
            " > named.name) FROM named WHERE named.name IS NOT NULL)
                 SELECT coalesce(
                     (SELECT id FROM run WHERE ",
            $column,
            " = named.name AND status NOT IN ('queued', 'running', 'skip')
                      ORDER BY id DESC LIMIT 1),
                     (SELECT id FROM run WHERE ",
            $column,
            " = named.name AND status NOT IN ('queued', 'running')
                      ORDER BY id DESC LIMIT 1)) AS last
                 FROM named WHERE named.name IS NOT NULL) AS newest
             JOIN run ON run.id = newest.last"
        )
    };
}

pub(super) async fn last_by_func(connection: &mut Connection) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query(last_of_each!("func")).fetch_all(connection).await?;
    let found = rows.iter().map(record).collect::<sqlx::Result<_>>()?;
    Ok(super::sorted(found, |one: &Record, other| one.func.cmp(&other.func)))
}

pub(super) async fn last_by_trigger(connection: &mut Connection) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query(last_of_each!("trigger_id")).fetch_all(connection).await?;
    let found = rows.iter().map(record).collect::<sqlx::Result<_>>()?;
    Ok(super::sorted(found, |one: &Record, other| one.trigger.cmp(&other.trigger)))
}

pub(super) async fn cadence(
    connection: &mut Connection,
    since: Time,
) -> sqlx::Result<Vec<(String, Time, Time, i64)>> {
    sqlx::query_as(
        // A tick has a run for each of its delays.
        "SELECT trigger_id, min(tick), max(tick), count(DISTINCT tick) FROM run
         WHERE created >= $1 AND status = 'success' AND trigger_id IS NOT NULL AND tick IS NOT NULL GROUP BY trigger_id",
    )
    .bind(since)
    .fetch_all(connection)
    .await
}

// From the newest tick backwards, trigger by trigger: reading all records for it would take the longer the more are kept.
pub(super) async fn last_good(connection: &mut Connection) -> sqlx::Result<Vec<(String, Time)>> {
    let found = sqlx::query_as(
        "SELECT id, tick FROM (
             SELECT id, (SELECT tick FROM run WHERE trigger_id = trigger_state.id AND tick IS NOT NULL AND status = 'success'
                         ORDER BY tick DESC LIMIT 1) AS tick FROM trigger_state) AS found
         WHERE tick IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    Ok(super::sorted(found, Ord::cmp))
}

pub(super) async fn by_hour(connection: &mut Connection, since: Time) -> sqlx::Result<Vec<HourRuns>> {
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "SELECT hour, status, count(*), CAST(coalesce(sum(points), 0) AS BIGINT) FROM (
             SELECT created - created % $2 AS hour, status, points FROM run WHERE created >= $1) AS hours
         GROUP BY hour, status",
    )
    .bind(since)
    .bind(3600 * funchost_collectors::clock::SECOND)
    .fetch_all(connection)
    .await?;
    super::sorted(rows, Ord::cmp)
        .into_iter()
        .map(|(hour, status, count, points)| {
            Ok(HourRuns { hour, status: word(Status::read(&status), &status)?, count, points })
        })
        .collect()
}

pub(super) async fn counts(connection: &mut Connection) -> sqlx::Result<Counts> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT status, count(*) FROM run GROUP BY status").fetch_all(connection).await?;
    rows.into_iter().map(|(status, count)| Ok((word(Status::read(&status), &status)?, count))).collect()
}

pub(super) async fn forget_runs(connection: &mut Connection, keep: i64, before: Time) -> sqlx::Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM run WHERE status NOT IN ('queued', 'running') AND (created < $2 OR id IN (
             SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY func, trigger_id ORDER BY id DESC) AS place FROM run
                             WHERE status NOT IN ('queued', 'running')) AS numbered WHERE place > $1))",
    )
    .bind(keep)
    .bind(before)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}

pub(super) async fn here(connection: &mut Connection, node: &Node) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO node (id, roles, started, seen) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET roles = $2, seen = $4",
    )
    .bind(&node.id)
    .bind(&node.roles)
    .bind(node.started)
    .bind(node.seen)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn gone(connection: &mut Connection, node: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM node WHERE id = $1").bind(node).execute(connection).await?;
    Ok(())
}

pub(super) async fn nodes(connection: &mut Connection, since: Time) -> sqlx::Result<Vec<Node>> {
    let rows = sqlx::query("SELECT id, roles, started, seen FROM node WHERE seen >= $1")
        .bind(since)
        .fetch_all(connection)
        .await?;
    let nodes = rows
        .iter()
        .map(|row: &Row| {
            Ok(Node {
                id: row.try_get("id")?,
                roles: row.try_get("roles")?,
                started: row.try_get("started")?,
                seen: row.try_get("seen")?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(super::sorted(nodes, |one: &Node, other| one.id.cmp(&other.id)))
}

pub(super) async fn object_summaries(connection: &mut Connection) -> sqlx::Result<Vec<ObjectSummary>> {
    let rows = sqlx::query(
        "SELECT account, class, region, count(*) AS number, min(kept) AS oldest, max(kept) AS newest
         FROM scope JOIN object ON object.scope = scope.id GROUP BY account, class, region",
    )
    .fetch_all(connection)
    .await?;
    let found = rows
        .iter()
        .map(|row: &Row| {
            Ok(ObjectSummary {
                account: row.try_get("account")?,
                class: row.try_get("class")?,
                region: row.try_get("region")?,
                count: row.try_get("number")?,
                oldest: row.try_get("oldest")?,
                newest: row.try_get("newest")?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(super::sorted(found, |one: &ObjectSummary, other| {
        (&one.account, &one.class, &one.region).cmp(&(&other.account, &other.class, &other.region))
    }))
}

pub(super) async fn calls_between(
    connection: &mut Connection,
    from: &str,
    to: &str,
) -> sqlx::Result<Vec<DayCalls>> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("SELECT day, account, action, count FROM calls WHERE day >= $1 AND day <= $2")
            .bind(from)
            .bind(to)
            .fetch_all(connection)
            .await?;
    // Days are written with as many digits each: their order is the same everywhere.
    Ok(super::sorted(rows, Ord::cmp)
        .into_iter()
        .map(|(day, account, action, count)| DayCalls { day, account, action, count })
        .collect())
}

/// Forgets processes and triggers that nobody has heard of for a week.
pub(super) async fn tidy(connection: &mut Connection, now: Time) -> sqlx::Result<()> {
    let before = now.saturating_sub(7 * 86_400 * funchost_collectors::clock::SECOND);
    sqlx::query("DELETE FROM node WHERE seen < $1").bind(before).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM trigger_state WHERE seen < $1").bind(before).execute(connection).await?;
    Ok(())
}
