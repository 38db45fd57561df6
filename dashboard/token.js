// The dialog that asks for a token. In: why the last one was refused. Out: a token, or the view without one.

import { ApiError, onTokenWanted } from './api.js';
import { h, say } from './dom.js';

let dialog = null;

/** Lets the API ask by this dialog. */
export function start() {
  onTokenWanted(ask);
}

function ask(reason) {
  return new Promise((resolve, reject) => {
    dialog ??= make();
    const { form, input, why } = dialog;
    say(why, reason ?? '');
    why.hidden = !reason;
    input.value = '';
    const close = () => {
      const text = input.value.trim();
      input.value = '';
      if (dialog.element.returnValue === 'use' && text) resolve(text);
      else reject(new ApiError(401, { code: 'unauthenticated', message: 'This gateway shows nothing without a token.' }));
    };
    dialog.element.returnValue = '';
    dialog.element.addEventListener('close', close, { once: true });
    form.onsubmit = (event) => {
      event.preventDefault();
      // A header takes visible ASCII only; anything else cannot be a token.
      if (/^[\x21-\x7e]+$/.test(input.value.trim())) dialog.element.close('use');
      else {
        say(why, 'A token has letters, digits and _ only, such as phx_3f…');
        why.hidden = false;
      }
    };
    dialog.element.showModal();
    input.focus();
  });
}

function make() {
  const input = h('input', {
    id: 'token', type: 'password', autocomplete: 'off', spellcheck: false, required: true, placeholder: 'phx_…', 'aria-describedby': 'token-where token-why',
  });
  const why = h('p', { class: 'is-failure', id: 'token-why', role: 'alert', hidden: true });
  const form = h('form', {},
    h('h2', { id: 'token-title' }, 'Token'),
    h('p', { id: 'token-where', class: 'quiet' }, 'This gateway wants one. An administrator makes it with ',
      h('code', {}, 'phalanx token create'), '. It is kept until this tab is closed.'),
    h('label', { for: 'token', class: 'hidden' }, 'Token'),
    input,
    why,
    h('div', { class: 'buttons' },
      h('button', { type: 'button', onclick: () => dialog.element.close('') }, 'Cancel'),
      h('button', { type: 'submit', class: 'primary' }, 'Continue')));
  const element = h('dialog', { class: 'dialog', 'aria-labelledby': 'token-title' }, form);
  document.body.append(element);
  return { element, form, input, why };
}
