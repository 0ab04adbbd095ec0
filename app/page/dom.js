// Small helpers around the document.

export const find = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const spaced = (name) => name.replaceAll("_", " ");

export function showProblem(box, failure) {
  box.hidden = failure === null;
  box.replaceChildren();
  if (failure === null) return;
  const problem = failure.problem ?? { title: "Something went wrong", detail: failure.message };
  box.append(make("strong", {}, problem.title));
  const fields = problem.errors ?? [];
  if (fields.length === 0) box.append(make("p", {}, problem.detail ?? ""));
  else box.append(make("ul", {}, ...fields.map((field) => make("li", {}, make("code", {}, field.path), ` ${field.message}`))));
}

// Marks the inputs that a problem is about; an input's id is its path in the spec with dashes.
export function markFields(box, failure) {
  for (const input of box.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  const inputs = (failure?.problem?.errors ?? []).map((field) => find(field.path.replaceAll(".", "-"))).filter(Boolean);
  for (const input of inputs) {
    input.setAttribute("aria-invalid", "true");
    for (let parent = input.closest("details"); parent; parent = parent.parentElement.closest("details")) parent.open = true;
  }
  inputs[0]?.focus();
}
