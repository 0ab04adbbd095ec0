// The result of a job: pictures, numbers, files.

import * as api from "./api.js";
import { find, make, showProblem, spaced } from "./dom.js";

const CAPTIONS = {
  measurement: "measurement",
  mean: "posterior mean",
  std: "posterior standard deviation",
  kernel: "mean blur kernel",
  kernels: "blur kernels of the samples",
};

function format(value) {
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value ?? "not a number");
}

async function figure(name, path) {
  const image = make("img", { src: await api.picture(path), alt: CAPTIONS[name], class: name === "std" ? "plot" : "pixels" });
  return make("figure", {}, image, make("figcaption", {}, CAPTIONS[name]));
}

async function sample(path, i) {
  const image = make("img", { src: await api.picture(path), alt: `Sample ${i + 1}`, class: "pixels" });
  return make("a", { href: path, ...download(path) }, image);
}

// With a key, a plain link would be refused: the click fetches the file and hands it over.
function download(path) {
  return api.hasKey() ? { "data-fetch": path } : {};
}

async function fetched(event) {
  const link = event.target.closest("a[data-fetch]");
  if (!link) return;
  event.preventDefault();
  const path = link.dataset.fetch;
  make("a", { href: await api.picture(path), download: path.split("/").at(-1) }).click();
}

function numbers(result) {
  const { seconds: _, ...diagnostics } = result.diagnostics; // the timings have it
  const rows = { ...diagnostics, "denoiser calls per sample": result.nfe, ...result.timings, device: result.device };
  return Object.entries(rows).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, spaced(name)), make("td", {}, format(value))));
}

// Draws the result while `wanted()` holds.
export async function showResult(result, wanted) {
  const { links, files } = result;
  const shown = Object.keys(CAPTIONS).filter((name) => links[`${name}.png`]);
  const figures = await Promise.all(shown.map((name) => figure(name, links[`${name}.png`])));
  const paths = Array.from({ length: result.n_samples }, (_, i) => links[`samples/${i}.png`]).filter(Boolean);
  const samples = await Promise.all(paths.map(sample));
  if (!wanted()) return;
  find("job-pictures").replaceChildren(...figures);
  find("job-samples").replaceChildren(...samples);
  find("job-numbers").replaceChildren(...numbers(result));
  const plain = files.filter((name) => !name.startsWith("samples/"));
  find("job-files").replaceChildren(...plain.map((name) => make("li", {}, make("a", { href: links[name], ...download(links[name]) }, name))));
  find("job-result").hidden = false;
  if (result.warnings.length) showProblem(find("job-problem"), { problem: { title: "To be doubted", detail: result.warnings.join(" ") } });
}

export function setUp() {
  find("job-result").addEventListener("click", fetched);
}
