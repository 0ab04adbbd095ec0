// One job: its progress as it happens, and its result.

import * as api from "./api.js";
import * as calls from "./calls.js";
import { find, showProblem, spaced } from "./dom.js";
import { follow } from "./events.js";
import { showResult } from "./result.js";

const FINISHED = ["succeeded", "failed", "cancelled"];
let current = null;
let watching = null; // an AbortController
let first = null; // the first progress seen of a running job, for the time that is left

function timeLeft({ step, total }) {
  const now = performance.now();
  first ??= { step, now };
  if (step - first.step < 2) return "";
  const seconds = ((now - first.now) / 1000 / (step - first.step)) * (total - step);
  return seconds < 2 ? "" : ` About ${seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`} left.`;
}

function sentence(job) {
  const { step, total } = job.progress;
  if (job.status === "queued") return job.queue_position ? `Queued, number ${job.queue_position} in line.` : "Queued.";
  if (job.status === "running") return `Running: ${step} of ${total} iterations.${timeLeft(job.progress)}`;
  if (job.status === "cancelling") return "Cancelling …";
  return { succeeded: "Done.", failed: "Failed.", cancelled: "Cancelled." }[job.status];
}

// Screen readers hear of changes of state, not of every iteration.
function announce(job) {
  const words = job.status === "running" ? "Running." : sentence(job);
  if (find("job-announcement").textContent !== words) find("job-announcement").textContent = words;
}

function render(job) {
  find("job-status").textContent = sentence(job);
  announce(job);
  const bar = find("job-progress");
  bar.max = job.progress.total || 1;
  bar.value = job.status === "succeeded" ? bar.max : job.progress.step;
  bar.hidden = job.status === "failed" || job.status === "cancelled";
  find("job-cancel").hidden = FINISHED.includes(job.status) || job.status === "cancelling";
  find("job-delete").hidden = !FINISHED.includes(job.status);
  if (job.error) showProblem(find("job-problem"), { problem: job.error });
}

// A parameter in a few words: a list by its size, a part by its kind and its own parameters.
function brief(value) {
  if (Array.isArray(value)) return Array.isArray(value[0]) ? `of ${value.length} x ${value[0].length} numbers` : `of ${value.length} numbers`;
  if (value === null || typeof value !== "object") return String(value);
  const { kind, ...parameters } = value;
  return [spaced(kind ?? ""), ...named(parameters)].join(", ");
}

const named = (parameters) => Object.entries(parameters).map(([name, value]) => `${spaced(name)} ${brief(value)}`);

function describe(job) {
  const { operator: { name, ...rest }, prior, n_samples: n, seed } = job.spec;
  find("job-title").textContent = `Job ${job.id.slice(0, 8)}`;
  find("job-facts").textContent = [spaced(name), ...named(rest), `prior ${prior}`, `${n} samples`, `seed ${seed}`].join(" · ");
  document.title = `Job ${job.id.slice(0, 8)} · DPnP`;
  calls.show("job", job.spec, "measurement.npy", false);
}

async function showRunningMean(job) {
  if (job.status !== "running" || !job.progress.step) return;
  try {
    const address = await api.picture(`/v1/jobs/${encodeURIComponent(job.id)}/running-mean.png`);
    const image = find("running-mean");
    URL.revokeObjectURL(image.src);
    image.src = address;
    image.alt = `Mean of the samples after ${job.progress.step} of ${job.progress.total} iterations`;
    find("job-running").hidden = job.id !== current;
  } catch {
    // the job has just ended, or its samples are no pictures
  }
}

async function finish(id) {
  const job = await api.getJob(id);
  if (id !== current) return;
  render(job);
  find("job-running").hidden = true;
  if (job.status === "succeeded") await showResult(await api.getResult(id), () => id === current);
}

async function watch(id) {
  const mine = (watching = new AbortController());
  for await (const events of follow(`/v1/jobs/${encodeURIComponent(id)}/events`, mine.signal)) {
    if (id !== current) return;
    const job = events.at(-1).data;
    render(job);
    if (FINISHED.includes(job.status)) break;
    await showRunningMean(job);
  }
  if (id === current) await finish(id);
}

async function guard(action) {
  try {
    await action();
  } catch (failure) {
    showProblem(find("job-problem"), failure);
  }
}

function clear() {
  for (const part of ["job-result", "job-running", "job-cancel", "job-delete"]) find(part).hidden = true;
  for (const part of ["job-facts", "job-status", "job-announcement"]) find(part).textContent = "";
  find("job-title").textContent = "Job";
  showProblem(find("job-problem"), null);
}

export function leave() {
  watching?.abort();
  watching = current = first = null;
}

export async function show(id) {
  leave();
  clear();
  current = id;
  await guard(async () => {
    const job = await api.getJob(id);
    if (id !== current) return;
    describe(job);
    render(job);
    await (FINISHED.includes(job.status) ? finish(id) : watch(id));
  });
}

export function setUp() {
  find("job-cancel").addEventListener("click", () => guard(async () => render(await api.cancelJob(current))));
  find("job-delete").addEventListener("click", () => guard(async () => {
    await api.deleteJob(current);
    location.hash = "#/";
  }));
}
