// Deep links. In: the hash of the URL, such as `#/jobs/0199…/prove-7?view=timeline`. Out: the view that it names, shown in
// the page's main part. A view that is shown already is told its new parameters instead of being made again.

import { fill, h } from './dom.js';

const main = document.getElementById('main');
let routes = [];
let current = null;

/** A link's hash. Parameters that are empty are left out. */
export function link(path, query = {}) {
  const parts = path.map(encodeURIComponent).join('/');
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return `#/${parts}${given.length ? `?${new URLSearchParams(given)}` : ''}`;
}

/** Goes to a link without leaving an entry in the history. */
export function replace(hash) {
  history.replaceState(null, '', hash);
  follow();
}

/** Goes to a link. */
export function go(hash) {
  location.hash = hash;
}

/**
 * Starts. A route is `{ name, match(path) -> parameters | null, show(root, parameters) -> view }`; a view has `close()` and may
 * have `update(parameters) -> bool`, which says whether it could take them.
 */
export function start(all) {
  routes = all;
  addEventListener('hashchange', follow);
  follow();
}

/** Shows the current link anew. */
export function reload() {
  current?.view.close();
  current = null;
  follow();
}

function follow() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  // `#main` of the skip link is no route.
  if (path === 'main') return main.focus();
  const parts = path.split('/').filter(Boolean).map(decode);
  const parameters = Object.fromEntries(new URLSearchParams(query ?? ''));
  if (!parts.length) return replace('#/jobs');
  for (const route of routes) {
    const found = route.match(parts);
    if (!found) continue;
    const all = { ...parameters, ...found };
    mark(parts[0]);
    if (current?.route === route && current.view.update?.(all)) return;
    const isFirst = current === null;
    current?.view.close();
    fill(main);
    document.title = `${route.title} · Phalanx`;
    current = { route, view: route.show(main, all) };
    if (!isFirst) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
    return;
  }
  current?.view.close();
  current = null;
  fill(main, h('p', { class: 'empty' }, 'There is no such page. ', h('a', { href: '#/jobs' }, 'Jobs')));
}

function mark(first) {
  for (const anchor of document.querySelectorAll('nav a')) {
    if (anchor.getAttribute('href') === `#/${first}`) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
