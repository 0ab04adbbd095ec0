// The form for a new job, and the list of recent ones.

import * as api from "./api.js";
import * as calls from "./calls.js";
import { find, make, markFields, showProblem, spaced } from "./dom.js";
import * as schema from "./schema.js";

const KINDS = ["operator", "sampler", "prior"];
const HINTS = {
  image: "PNG, JPEG, TIFF or .npy. It is made grey or RGB, cropped and scaled to the prior's shape, then measured and noised.",
  measurement: ".npy, .npz (y, and mask where there is one), PNG, JPEG or TIFF, in the shape that the forward model gives. 8-bit 0..255 is read as -1..1.",
};
const EXAMPLES = { image: "photograph.png", measurement: "measurement.npy" };
const catalogue = { operator: [], sampler: [], prior: [] };

const chosen = (kind) => catalogue[kind].find((entry) => entry.name === find(kind).value);
const fileKind = () => document.querySelector("input[name=kind]:checked").value;
const chosenFile = () => find("file").files[0];

function fill(kind, entries, selected) {
  catalogue[kind] = entries;
  find(kind).replaceChildren(...entries.map((e) => make("option", { value: e.name, selected: e.name === selected }, spaced(e.name))));
}

function describe(kind) {
  const entry = chosen(kind);
  if (!entry) return;
  const shape = entry.image_shape ? `${entry.image_shape.join(" x ")}. ` : "";
  find(`${kind}-summary`).textContent = shape + (entry.summary ?? "");
  if (entry.schema) schema.build(find(`${kind}-parameters`), kind, entry.schema);
}

async function preview(file) {
  const canvas = find("preview");
  canvas.hidden = true;
  if (!file) return;
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const [w, h] = [picture.width * scale, picture.height * scale];
    context.drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
    canvas.hidden = false;
  } catch {
    // an array, or a kind of picture that browsers do not show
  }
}

function problemSpec() {
  const seed = Number(find("seed").value);
  return { operator: { name: find("operator").value, ...schema.changed("operator", chosen("operator").schema) }, prior: find("prior").value, seed };
}

function jobSpec() {
  const sampler = { name: find("sampler").value, ...schema.changed("sampler", chosen("sampler").schema) };
  return { ...problemSpec(), n_samples: Number(find("n_samples").value), sampler };
}

function showCalls() {
  if (KINDS.every(chosen)) calls.show("form", jobSpec(), chosenFile()?.name ?? EXAMPLES[fileKind()], fileKind() === "image");
}

function fileChanged() {
  find("file-hint").textContent = HINTS[fileKind()];
  preview(chosenFile());
  showCalls();
}

async function send() {
  const file = chosenFile();
  if (!file) throw new api.Failure({ title: "No file", errors: [{ path: "file", message: "Choose a file first." }] });
  const measurement = fileKind() === "image" ? await api.simulate(file, problemSpec()) : file;
  return api.submit(measurement, jobSpec());
}

function report(failure) {
  showProblem(find("form-problem"), failure);
  markFields(find("form"), failure);
}

async function submitted(event) {
  event.preventDefault();
  const button = find("submit");
  button.disabled = true;
  report(null);
  try {
    location.hash = `#/jobs/${(await send()).id}`;
  } catch (failure) {
    report(failure);
  } finally {
    button.disabled = false;
  }
}

function accept(event) {
  event.preventDefault();
  find("drop").classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  find("file").files = event.dataTransfer.files;
  fileChanged();
}

async function listJobs() {
  const jobs = await api.getJobs();
  const items = jobs.map((job) => {
    const when = new Date(job.created_at).toLocaleString();
    const link = make("a", { href: `#/jobs/${job.id}` }, spaced(job.spec.operator.name));
    return make("li", {}, link, make("span", { class: `tag ${job.status}` }, job.status), make("span", { class: "quiet" }, when));
  });
  find("jobs").replaceChildren(...(items.length ? items : [make("li", { class: "quiet" }, "None yet.")]));
}

function listen() {
  for (const kind of KINDS) find(kind).addEventListener("input", () => describe(kind));
  find("form").addEventListener("input", showCalls);
  document.querySelectorAll("input[name=kind]").forEach((radio) => radio.addEventListener("change", fileChanged));
  find("file").addEventListener("change", fileChanged);
  find("drop").addEventListener("dragover", (event) => { event.preventDefault(); find("drop").classList.add("over"); });
  find("drop").addEventListener("dragleave", () => find("drop").classList.remove("over"));
  find("drop").addEventListener("drop", accept);
  find("form").addEventListener("submit", submitted);
}

export async function load() {
  const [operators, samplers, priors] = await Promise.all([api.getOperators(), api.getSamplers(), api.getPriors()]);
  fill("operator", operators, operators.find((operator) => operator.name === "super_resolution")?.name);
  fill("sampler", samplers);
  fill("prior", priors, priors.find((prior) => prior.default)?.name);
  KINDS.forEach(describe);
  fileChanged();
}

export function setUp() {
  listen();
  return load();
}

export async function show() {
  document.title = "DPnP";
  await listJobs();
}
