// The page: two views, chosen by the address after the hash.

import { find, make, showProblem } from "./dom.js";
import * as form from "./form.js";
import * as job from "./job.js";

async function route() {
  const match = location.hash.match(/^#\/jobs\/([0-9a-z]+)$/i);
  find("view-job").hidden = !match;
  find("view-new").hidden = Boolean(match);
  if (match) return job.show(match[1]);
  job.leave();
  return form.show();
}

async function routeAndFocus() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  await route().catch((failure) => showProblem(find("form-problem"), failure));
  find("main").focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

async function start() {
  job.setUp();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    find("main").focus();
  });
  window.addEventListener("hashchange", routeAndFocus);
  const ready = form.setUp();
  await route();
  await ready;
}

start().catch((failure) => {
  const box = make("div", { class: "problem", role: "alert" });
  find("main").prepend(box);
  showProblem(box, failure);
});
