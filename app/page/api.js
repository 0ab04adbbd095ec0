// Calls of the service. A failed call throws a Failure with the problem that the service gave.

const KEY = "dpnp-key";

export class Failure extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

export const setKey = (key) => sessionStorage.setItem(KEY, key);
export const hasKey = () => Boolean(sessionStorage.getItem(KEY));

function withKey(headers = {}) {
  return hasKey() ? { ...headers, Authorization: `Bearer ${sessionStorage.getItem(KEY)}` } : headers;
}

export async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: withKey(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure({ title: "No connection", detail: "The service cannot be reached." });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ title: `Error ${response.status}`, detail: response.statusText }));
  if (response.status === 401) document.dispatchEvent(new Event("key-wanted"));
  throw new Failure({ ...problem, status: response.status });
}

const json = async (path, options) => (await call(path, options)).json();
const job = (id) => `/v1/jobs/${encodeURIComponent(id)}`;

export const getOperators = async () => (await json("/v1/operators")).operators;
export const getSamplers = async () => (await json("/v1/samplers")).samplers;
export const getPriors = async () => (await json("/v1/priors")).priors;
export const getJobs = async () => (await json("/v1/jobs?limit=10")).jobs;
export const getJob = (id) => json(job(id));
export const getResult = (id) => json(`${job(id)}/result`);
export const cancelJob = (id) => json(`${job(id)}/cancel`, { method: "POST" });
export const deleteJob = (id) => call(job(id), { method: "DELETE" });

// An address that an <img> can show: pictures are fetched here because an <img> cannot send a key.
export async function picture(path) {
  return URL.createObjectURL(await (await call(path)).blob());
}

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
