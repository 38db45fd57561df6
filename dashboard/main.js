// The page. In: nothing. Out: views by link, who is looking, the keyboard.

import { forgetToken, get, onTokenGiven, token } from './api.js';
import { say } from './dom.js';
import * as dead from './dead.js';
import * as job from './job.js';
import * as jobs from './jobs.js';
import * as keys from './keys.js';
import * as queue from './queue.js';
import * as router from './router.js';
import * as tokens from './token.js';
import * as who from './who.js';
import * as workers from './workers.js';

tokens.start();
keys.start();

const button = document.getElementById('who');
who.onChange(({ scope, tenant }) => {
  button.hidden = false;
  button.disabled = !token();
  say(button, scope === 'admin' ? scope : `${scope} · ${tenant}`);
  button.title = token() ? 'Use another token' : 'This gateway wants no token.';
  document.documentElement.dataset.scope = scope;
});
button.addEventListener('click', () => {
  forgetToken();
  router.reload();
});

// Another token may allow other things.
onTokenGiven(() => who.load(get));
router.start([jobs, job, workers, queue, dead]);
who.load(get);
