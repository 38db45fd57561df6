// Elements from data. In: a tag, properties, children. Out: nodes. Text is always set as text, so no answer of the API can
// become markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. Properties with a dash, `role` and `for` are set as attributes, `on…` listens, `style` sets custom properties. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name === 'style') for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name in element && !name.includes('-') && name !== 'role' && name !== 'list') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...nodes(children));
  return element;
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...nodes(children));
  return element;
}

/** Puts other children in the place of what an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Changes the text only if it differs, so that a selection and the focus survive. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, in order. A child stays the same element as long as its key is there.
 * `make(item)` gives an element; `update(element, item)` brings it up to date.
 */
export function keyed(parent, items, key, make, update) {
  const there = new Map();
  for (const child of parent.children) there.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = there.get(name);
    if (child) there.delete(name);
    else {
      child = make(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of there.values()) remove(child);
}

/** Removes a row; the focus goes to its neighbour instead of to the top of the page. */
function remove(child) {
  if (child.contains(document.activeElement)) {
    const neighbour = child.nextElementSibling ?? child.previousElementSibling;
    neighbour?.querySelector('a, button')?.focus();
  }
  child.remove();
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
}
