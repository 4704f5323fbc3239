// The screens of the reading room. Gradio calls this with `element`, `props`, `server`.
//
// Every request goes through server.ask(message) and every reply names the screen to
// show: sign_in, welcome, film, wait or finished. The token stays in this closure.
const find = (selector) => element.querySelector(selector);
const room = find('.room');
const form = find('.answer');
const rating = find('#rating');
const PATIENCE_MS = 20000, SETTLE_MS = 400;
let token = null, reply = { screen: 'sign_in' }, shown = null;
let sure = false; // the reader has seen that decision and rating do not agree
let busy = false, failed = null;
let settled = false; // false for a moment, lest a double click confirm what is new
let language = localStorage.getItem('language')
  || (navigator.language.startsWith('ko') ? 'ko' : 'en');

const viewer = makeViewer(find('.stage'), () => {
  find('#level').value = 100 * viewer.level;
  find('#width').value = 100 * viewer.width;
  find('.invert').setAttribute('aria-pressed', viewer.inverted);
});

function say(word, values = {}) {
  const all = { finding: props.finding, ...values };
  return props.words[language][word].replace(/\{(\w+)\}/g, (_, name) => all[name]);
}

async function ask(message) { // the same message again is safe: answers are locked
  if (busy) return;
  busy = true;
  warn('');
  const silence = new Promise((_, no) => setTimeout(no, PATIENCE_MS, 'silence'));
  try {
    const answer = await Promise.race([server.ask({ token, ...message }), silence]);
    if (!answer || !answer.screen) throw new Error('no reply');
    busy = false;
    await show(answer);
  } catch (error) {
    console.warn(error);
    failed = () => ask(message);
    warn('lost', {}, true);
  } finally {
    busy = false;
    checkAnswer();
  }
}

async function show(answer) {
  reply = answer;
  failed = null;
  sure = settled = false;
  if (reply.token) token = reply.token;
  if (reply.screen === 'sign_in') token = null;
  if (reply.screen !== 'film') {
    shown = null;
    viewer.clear();
  }
  writeWords();
  if (reply.word) warn(reply.word, reply.values);
  if (reply.screen === 'film') await showFilm();
  if (reply.screen === 'sign_in') {
    find('#code').value = '';
    find('#code').focus();
  }
}

async function showFilm() {
  form.reset();
  rating.classList.add('unset');
  if (reply.first) { // the answer alone stands until it is changed
    setRating(reply.first[0]);
    setDecision(reply.first[1]);
  }
  writeRating();
  find('aside').scrollTop = 0;
  document.activeElement.blur();
  const asked = reply;
  try {
    const name = `${reply.session} ${reply.case}`;
    if (name !== shown) {
      shown = null; // until it is there, nothing can be confirmed
      viewer.clear();
      const { ticket, height, width, bytes } = reply.film;
      const levels = await fetchFile(ticket);
      if (asked !== reply) return;
      const type = bytes === 2 ? Uint16Array : Uint8Array;
      viewer.show(new type(levels), height, width);
      shown = name;
    }
    find('.map').checked = viewer.showsHeat = true;
    if (reply.model && reply.model.ticket) {
      const png = new Blob([await fetchFile(reply.model.ticket)], { type: 'image/png' });
      const heat = await createImageBitmap(png);
      if (asked === reply) viewer.layHeat(heat);
    }
    settle();
  } catch (error) {
    console.warn(error);
    shown = null;
    failed = () => ask({ do: 'next' });
    warn('film_lost', {}, true);
  }
}

function settle() {
  const asked = reply;
  settled = false;
  checkAnswer();
  setTimeout(() => {
    if (asked === reply) settled = true;
    checkAnswer();
  }, SETTLE_MS);
}

async function fetchFile(ticket) {
  const answer = await fetch(`film/${ticket}`);
  if (!answer.ok) throw new Error(`film: ${answer.status}`);
  return answer.arrayBuffer();
}

function writeWords() {
  document.documentElement.lang = room.lang = language;
  room.dataset.screen = reply.screen;
  for (const each of element.querySelectorAll('[data-word]')) {
    each.textContent = say(each.dataset.word);
  }
  for (const each of element.querySelectorAll('[data-language]')) {
    each.setAttribute('aria-pressed', each.dataset.language === language);
  }
  find('.progress').textContent = reply.screen === 'film' ? say('progress', reply) : '';
  if (['welcome', 'wait', 'finished'].includes(reply.screen)) writeMessage();
  if (reply.screen === 'film') writePanel();
}

function writeMessage() {
  const rules = reply.screen === 'welcome'
    ? [`rule_${reply.order}`, 'rule_rating', 'rule_lock', 'rule_time'] : [];
  const started = reply.place > 1 || reply.step === 'with model';
  const when = new Date(reply.opens || 0).toLocaleString(language,
    { dateStyle: 'long', timeStyle: 'short' });
  const title = reply.screen === 'welcome' ? say('welcome', reply)
    : say(`${reply.screen}_title`);
  find('.message h1').textContent = title;
  find('.message .where').textContent = reply.screen !== 'welcome' ? '' : [
    ...(reply.sessions > 1 ? [say('session', reply)] : []),
    say('done', { done: reply.place - 1, total: reply.total })].join(' · ');
  find('.message ul').replaceChildren(...rules.map((rule) => {
    const item = document.createElement('li');
    item.textContent = say(rule);
    return item;
  }));
  find('.message .text').textContent = rules.length ? '' : say(reply.screen, { when });
  find('.message .main').textContent = say(started ? 'resume' : 'begin');
  find('.message .main').hidden = reply.screen !== 'welcome';
}

function writePanel() {
  const { model, first } = reply;
  find('.step').textContent = say(model ? 'with_model' : 'alone');
  find('canvas').setAttribute('aria-label', say('film', reply));
  find('.answer .main').textContent = say(first ? 'confirm_final' : 'confirm');
  find('.model').hidden = !model;
  find('.first').textContent = first ? say('first_answer', {
    decision: say(first[1] ? 'positive' : 'negative'), rating: first[0] }) : '';
  if (!model) return;
  const verdicts = { RDS: 'positive', 'no RDS': 'negative' };
  find('.verdict').textContent = say(verdicts[model.decision] || 'undecided');
  // Without a decision there is no number: it would invite belief.
  const decided = model.probability !== null;
  for (const name of ['.percent', '.bar', '.of']) find(name).hidden = !decided;
  find('.percent').textContent = decided ? `${Math.round(100 * model.probability)} %` : '';
  find('.bar i').style.width = decided ? `${100 * model.probability}%` : '0';
  find('.toggle').hidden = !model.ticket;
  find('.map-hint').textContent = decided
    ? say(model.ticket ? 'map_hint' : 'no_map')
    : [say('withheld'), ...model.reasons].join(' ');
}

function warn(word, values = {}, retry = false) {
  find('.alert').hidden = !word;
  find('.alert span').textContent = word ? say(word, values) : '';
  find('.alert button').hidden = !retry;
}
