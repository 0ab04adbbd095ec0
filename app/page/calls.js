// The job as a call from a terminal and from Python.

import { hasKey } from "./api.js";
import { find } from "./dom.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const json = (value) => JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "');

function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${python(v)}`).join(", ")}}`;
  return JSON.stringify(value);
}

const problemOf = ({ operator, prior, seed }) => ({ operator, prior, seed });

function post(path, part, file, spec, out) {
  const key = hasKey() ? ['     -H "Authorization: Bearer $DPNP_KEY"'] : [];
  return [`curl -sf -F ${part}=@${quoted(file)}`, `     -F ${quoted(`spec=${json(spec)};type=application/json`)}`, ...key, `     ${location.origin}${path}${out}`]
    .join(" \\\n");
}

function asCurl(spec, file, photograph) {
  if (!photograph) return post("/v1/jobs", "measurement", file, spec, "");
  return [post("/v1/simulate", "image", file, problemOf(spec), " -o measurement.npy"), post("/v1/jobs", "measurement", "measurement.npy", spec, "")].join("\n\n");
}

function asPython(spec, file, photograph) {
  const { operator, prior, seed, ...rest } = spec;
  const common = `operator=operator, prior=${python(prior)}, seed=${seed}`;
  const options = Object.entries(rest).map(([name, value]) => `, ${name}=${python(value)}`).join("");
  return [
    ...(hasKey() ? ["import os", ""] : []),
    "from dpnp_client import Client",
    "",
    `operator = ${python(operator)}`,
    `with Client(${python(location.origin)}${hasKey() ? ', api_key=os.environ["DPNP_KEY"]' : ""}) as client:`,
    ...(photograph ? [`    y = client.simulate(${python(file)}, ${common})`] : []),
    `    job = client.submit(${photograph ? "y" : python(file)}, ${common}${options})`,
    "    result = job.wait(progress=True)",
    "    print(result.mean.shape, result.std.shape, result.diagnostics)",
  ].join("\n");
}

// Fills the box `prefix`: `file` is what the user chose, `photograph` whether a measurement is to be simulated from it.
export function show(prefix, spec, file, photograph) {
  find(`${prefix}-curl`).textContent = asCurl(spec, file, photograph);
  find(`${prefix}-python`).textContent = asPython(spec, file, photograph);
}

export function setUp() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(find(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
}
