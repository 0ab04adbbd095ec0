// One job: its progress as it happens, and its result.

import * as api from "./api.js";
import { find, make, showProblem } from "./dom.js";

const FINISHED = ["succeeded", "failed", "cancelled"];
let current = null;
let stream = null;

function sentence(job) {
  const { step, total } = job.progress;
  if (job.status === "queued") return job.queue_position ? `Queued, number ${job.queue_position} in line.` : "Queued.";
  if (job.status === "running") return `Running: ${step} of ${total} iterations.`;
  if (job.status === "cancelling") return "Cancelling …";
  return { succeeded: "Done.", failed: "Failed.", cancelled: "Cancelled." }[job.status];
}

function render(job) {
  find("job-status").textContent = sentence(job);
  const bar = find("job-progress");
  bar.max = job.progress.total || 1;
  bar.value = job.status === "succeeded" ? bar.max : job.progress.step;
  bar.hidden = job.status === "failed" || job.status === "cancelled";
  find("job-cancel").hidden = FINISHED.includes(job.status) || job.status === "cancelling";
  find("job-delete").hidden = !FINISHED.includes(job.status);
  if (job.error) showProblem(find("job-problem"), { problem: job.error });
}

function facts(job) {
  const { operator, prior, n_samples: n, seed } = job.spec;
  const parameters = Object.entries(operator).filter(([name]) => name !== "name").map(([name, value]) => `${name} ${value}`);
  const text = [operator.name.replaceAll("_", " "), ...parameters, `prior ${prior}`, `${n} samples`, `seed ${seed}`].join(" · ");
  find("job-title").textContent = `Job ${job.id.slice(0, 8)}`;
  find("job-facts").textContent = text;
  document.title = `Job ${job.id.slice(0, 8)} · DPnP`;
}

function picture(url, name, alt) {
  const image = make("img", { src: url, alt, class: name === "std" ? "plot" : "pixels" });
  return make("figure", {}, image, make("figcaption", {}, name === "std" ? "standard deviation" : name));
}

function renderResult(result) {
  const { links, files } = result;
  const shown = ["measurement", "mean", "std"].filter((name) => links[`${name}.png`]);
  find("job-pictures").replaceChildren(...shown.map((name) => picture(links[`${name}.png`], name, `Posterior: ${name}`)));
  const samples = Array.from({ length: result.n_samples }, (_, i) => links[`samples/${i}.png`]).filter(Boolean);
  find("job-samples").replaceChildren(...samples.map((url, i) => make("a", { href: url }, make("img", { src: url, alt: `Sample ${i}`, class: "pixels" }))));
  const { seconds: _, ...diagnostics } = result.diagnostics; // the timings have it
  const numbers = { ...diagnostics, "denoiser calls per sample": result.nfe, ...result.timings, device: result.device };
  const row = ([name, value]) => make("tr", {}, make("th", { scope: "row" }, name.replaceAll("_", " ")), make("td", {}, format(value)));
  find("job-numbers").replaceChildren(...Object.entries(numbers).map(row));
  const plain = files.filter((name) => !name.startsWith("samples/"));
  find("job-files").replaceChildren(...plain.map((name) => make("li", {}, make("a", { href: links[name] }, name))));
  find("job-result").hidden = false;
  if (result.warnings.length) showProblem(find("job-problem"), { problem: { title: "To be doubted", detail: result.warnings.join(" ") } });
}

function format(value) {
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value ?? "not a number");
}

async function finish(id) {
  const job = await api.getJob(id);
  if (id !== current) return;
  render(job);
  if (job.status === "succeeded") renderResult(await api.getResult(id));
}

function follow(id) {
  stream = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
  const seen = (event) => {
    const data = JSON.parse(event.data);
    render(data);
    if (!FINISHED.includes(data.status)) return;
    leave(false);
    guard(() => finish(id));
  };
  stream.addEventListener("status", seen);
  stream.addEventListener("progress", seen);
}

async function guard(action) {
  try {
    await action();
  } catch (failure) {
    showProblem(find("job-problem"), failure);
  }
}

export function leave(forget = true) {
  stream?.close();
  stream = null;
  if (forget) current = null;
}

export async function show(id) {
  leave();
  current = id;
  find("job-result").hidden = true;
  find("job-facts").textContent = "";
  find("job-status").textContent = "";
  find("job-title").textContent = "Job";
  find("job-cancel").hidden = find("job-delete").hidden = true;
  showProblem(find("job-problem"), null);
  await guard(async () => {
    const job = await api.getJob(id);
    if (id !== current) return;
    facts(job);
    render(job);
    if (FINISHED.includes(job.status)) await finish(id);
    else follow(id);
  });
}

export function setUp() {
  find("job-cancel").addEventListener("click", () => guard(async () => render(await api.cancelJob(current))));
  find("job-delete").addEventListener("click", () => guard(async () => {
    await api.deleteJob(current);
    location.hash = "#/";
  }));
}
