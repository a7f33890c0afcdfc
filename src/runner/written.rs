//! Points that a script writes itself, with `DFF.CONN(id)`: the same outbox, batches and rules as a collector's, without marks and linkage.
//!
//! Owns their share of the report: one entry for each DataKit, named as the script names it.

use super::delivery::{Ending, Target, send_outbox};
use super::report::{CollectorReport, CollectorStatus};
use super::{Inner, unusable};
use crate::script::{BackendError, WriteRequest, Written};
use crate::sink::batch::Batch;
use crate::sink::line::{self, Notes};
use crate::sink::oldest_writable;
use funchost_collectors::call::number;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

impl Inner {
    /// Writes the points of one call.
    pub(super) async fn write(
        &self,
        request: WriteRequest,
        stop: CancellationToken,
    ) -> Result<Written, BackendError> {
        let began = Instant::now();
        let debug = request.debug || self.settings.debug;
        let datakit = self.datakit(&request.datakit_id)?;
        let mut target = if debug {
            self.lock().debugged = true;
            Target::lines(self.settings.lines.clone())
        } else {
            Target::datakit(
                request.datakit_id.clone(),
                datakit,
                self.settings.state.clone(),
                self.settings.outbox_limit,
            )
        };
        let ending = Ending::after(stop);
        let _ended = ending.end.clone().drop_guard();
        let now = self.settings.clock.now();
        if !debug {
            // What waits goes first, so that order holds.
            let sent = send_outbox(&mut target, &ending).await;
            let sent = sent.map_err(unusable)?;
            self.lock().outbox.add(sent);
        }
        let (mut written, mut notes, mut buffer) = (Written::default(), Notes::default(), Vec::new());
        let mut batch = Batch::new(request.category);
        for point in &request.points {
            if point.time < oldest_writable(now) {
                written.too_old += 1;
                continue;
            }
            buffer.clear();
            if let Err(refused) = line::encode(point, &mut buffer, &mut notes) {
                written.rejected += 1;
                written.causes.push(refused.to_string());
                continue;
            }
            if !batch.fits(buffer.len()) {
                let full = std::mem::replace(&mut batch, Batch::new(request.category));
                self.send(full, &mut target, &ending, &mut written).await?;
            }
            batch.push(&buffer, point.time);
        }
        if !batch.is_empty() {
            self.send(batch, &mut target, &ending, &mut written).await?;
        }
        let mut warnings = notes.warnings();
        if written.too_old > 0 {
            warnings.push(number(
                written.too_old,
                "point is more than two hours old and was not sent: DataKit overwrites such times",
                "points are more than two hours old and were not sent: DataKit overwrites such times",
            ));
        }
        self.written(&request.datakit_id, &target).await;
        let why = target.down().filter(|_| written.kept > 0);
        self.report_written(&request, &written, (warnings, why), began.elapsed().as_secs_f64());
        Ok(written)
    }

    async fn send(
        &self,
        batch: Batch,
        target: &mut Target,
        ending: &Ending,
        written: &mut Written,
    ) -> Result<(), BackendError> {
        let done = target.write(batch, ending, self.settings.clock.now()).await.map_err(unusable)?;
        written.delivered += done.delivered;
        written.kept += done.kept;
        written.too_old += done.too_old;
        written.rejected += done.refused.len() as u64;
        written.causes.extend(done.refused);
        Ok(())
    }

    /// Adds what was written to the entry of this DataKit.
    fn report_written(
        &self,
        request: &WriteRequest,
        written: &Written,
        (warnings, why): (Vec<String>, Option<&str>),
        seconds: f64,
    ) {
        let name = format!("DFF.CONN({})", request.datakit_id);
        let mut done = self.lock();
        let index = match done.collectors.iter().position(|report| report.name == name) {
            Some(index) => index,
            None => {
                done.collectors.push(CollectorReport::new(&name, CollectorStatus::Collected));
                done.collectors.len() - 1
            }
        };
        let report = &mut done.collectors[index];
        report.collected += request.points.len() as u64;
        report.delivered += written.delivered;
        report.kept += written.kept;
        report.rejected += written.rejected;
        report.too_old += written.too_old;
        report.seconds = ((report.seconds + seconds) * 1000.0).round() / 1000.0;
        if let Some(why) = why {
            // One line for all that was kept, however often the script wrote.
            const KEPT: &str = " points are kept in the outbox: ";
            report.warnings.retain(|warning| !warning.contains(KEPT));
            report.warnings.push(format!("{}{KEPT}{why}", report.kept));
        }
        for warning in warnings {
            if !report.warnings.contains(&warning) {
                report.warnings.push(warning);
            }
        }
        if report.rejected > 0 {
            report.status = CollectorStatus::Failed;
            let cause = written.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
            report.error.get_or_insert_with(|| {
                format!("DataKit rejected {}{cause}", number(written.rejected, "point", "points"))
            });
        }
    }
}
