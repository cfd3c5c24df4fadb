import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

// Preloaded into a gateway (`--import`): on SIGUSR2 it writes how late the event loop was since the last time, and starts anew.
const file = process.env.PROOF_PROBE_FILE;

/** Watches the main thread only; workers load this too. */
function watch(to: string): void {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let before = process.threadCpuUsage();
  let longest = 0;
  let written = 0;
  // Processor time of one stretch without a turn: what the gateway itself did, whatever else the machine was doing.
  setInterval(() => {
    const now = process.threadCpuUsage();
    longest = Math.max(longest, now.user + now.system - before.user - before.system);
    before = now;
  }, 1).unref();
  process.on('SIGUSR2', () => {
    const delay = histogram.max / 1e6;
    writeFileSync(`${to}.new`, JSON.stringify({ written: ++written, delay, processor: longest / 1000 }));
    renameSync(`${to}.new`, to);
    histogram.reset();
    longest = 0;
    before = process.threadCpuUsage();
  });
}

if (isMainThread && file !== undefined) watch(file);
