// Calls of the service. A failed call throws a Failure with the problem that the service gave.

export class Failure extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Failure({ title: "No connection", detail: "The service cannot be reached." });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ title: `Error ${response.status}`, detail: response.statusText }));
  throw new Failure(problem);
}

const json = async (path, options) => (await call(path, options)).json();

export const getOperators = async () => (await json("/v1/operators")).operators;
export const getSamplers = async () => (await json("/v1/samplers")).samplers;
export const getPriors = async () => (await json("/v1/priors")).priors;
export const getJobs = async () => (await json("/v1/jobs?limit=10")).jobs;
export const getJob = (id) => json(`/v1/jobs/${encodeURIComponent(id)}`);
export const getResult = (id) => json(`/v1/jobs/${encodeURIComponent(id)}/result`);
export const cancelJob = (id) => json(`/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
export const deleteJob = (id) => call(`/v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

function form(part, file, name, spec) {
  const body = new FormData();
  body.append(part, file, name);
  body.append("spec", JSON.stringify(spec));
  return body;
}

export async function simulate(image, spec) {
  return (await call("/v1/simulate", { method: "POST", body: form("image", image, "image", spec) })).blob();
}

export function submit(measurement, spec) {
  const headers = { "Idempotency-Key": newKey() };
  return json("/v1/jobs", { method: "POST", body: form("measurement", measurement, "measurement", spec), headers });
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
