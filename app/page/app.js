// The page: two views, chosen by the address after the hash.

import * as api from "./api.js";
import * as calls from "./calls.js";
import { find, make, showProblem } from "./dom.js";
import * as form from "./form.js";
import * as job from "./job.js";
import * as result from "./result.js";

async function route() {
  const match = location.hash.match(/^#\/jobs\/([0-9a-z]+)$/i);
  find("view-job").hidden = !match;
  find("view-new").hidden = Boolean(match);
  if (match) return job.show(match[1]);
  job.leave();
  return form.show();
}

function routeAndFocus() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  route().catch((failure) => showProblem(find("form-problem"), failure));
  find("main").focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function askForKeys() {
  document.addEventListener("key-wanted", () => {
    find("key-form").hidden = false;
    find("key").focus();
  });
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    api.setKey(find("key").value.trim());
    location.reload();
  });
}

async function start() {
  askForKeys();
  calls.setUp();
  job.setUp();
  result.setUp();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    find("main").focus();
  });
  window.addEventListener("hashchange", routeAndFocus);
  await Promise.all([form.setUp(), route()]);
}

start().catch((failure) => {
  const box = make("div", { class: "problem", role: "alert" });
  find("main").prepend(box);
  showProblem(box, failure);
});
