// The answer under the film, the keys and every listener; goes on in the scope of
// reading_room.js and ends by showing the first screen.
function readAnswer() {
  const chosen = form.elements.decision.value;
  const rated = !rating.classList.contains('unset');
  if (chosen === '' || !rated) return null;
  return { decision: Number(chosen), rating: Number(rating.value) };
}

function writeRating() {
  const rated = !rating.classList.contains('unset');
  const text = rated ? rating.value : say('not_rated');
  find('output.rating').textContent = text;
  find('output.rating').classList.toggle('unset', !rated);
  rating.setAttribute('aria-valuetext', text);
  checkAnswer();
}

function isReady() {
  return reply.screen === 'film' && !busy && shown && settled && readAnswer() !== null;
}

function checkAnswer() {
  find('.answer .main').disabled = !isReady();
}

function setRating(value) {
  rating.value = value;
  rating.classList.remove('unset');
  changeAnswer();
}

function setDecision(value) {
  form.elements.decision.value = String(value);
  changeAnswer();
}

function changeAnswer() { // what is said of the answer before no longer holds
  if (sure) warn('');
  sure = false;
  writeRating();
}

function confirmAnswer() {
  if (!isReady()) return;
  const answer = readAnswer();
  const agree = answer.decision ? answer.rating >= 50 : answer.rating <= 50;
  if (!agree && !sure) {
    sure = true;
    const decision = say(answer.decision ? 'positive' : 'negative');
    warn('mismatch', { decision, rating: answer.rating });
    settle();
    return;
  }
  const place = { session: reply.session, case: reply.case, step: reply.step };
  ask({ do: 'answer', ...place, ...answer });
}

function speak(chosen) {
  language = chosen;
  localStorage.setItem('language', language);
  writeWords();
  if (!failed) warn('');
  writeRating();
}

const KEYS = { // by place on the keyboard, so that a Korean layout does as well
  R: () => setDecision(1),
  N: () => setDecision(0),
  ArrowUp: () => setRating(stepRating(5)),
  ArrowDown: () => setRating(stepRating(-5)),
  Enter: confirmAnswer,
  I: () => find('.invert').click(),
  M: () => reply.model && find('.map').click(),
  0: () => viewer.reset(),
  Equal: () => viewer.zoomBy(1.25),
  Add: () => viewer.zoomBy(1.25),
  Minus: () => viewer.zoomBy(0.8),
  Subtract: () => viewer.zoomBy(0.8),
};

function stepRating(step) { // the first step only sets the middle
  if (rating.classList.contains('unset')) return 50;
  return Math.min(100, Math.max(0, Number(rating.value) + step));
}

document.addEventListener('keydown', (event) => {
  const name = event.code.replace(/^(Key|Digit|Numpad)/, '');
  if (reply.screen !== 'film' || !(name in KEYS)) return;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (name === 'Enter' && (event.repeat || event.target.tagName === 'BUTTON')) return;
  event.preventDefault();
  KEYS[name]();
});
room.addEventListener('click', (event) => { // Enter belongs to the answer again
  if (event.detail > 0) event.target.closest('button')?.blur();
});
find('.sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  ask({ do: 'sign_in', code: find('#code').value });
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  confirmAnswer();
});
form.addEventListener('change', changeAnswer);
rating.addEventListener('pointerdown', () => setRating(rating.value));
rating.addEventListener('input', () => setRating(rating.value));
find('.message .main').addEventListener('click', () => ask({ do: 'next' }));
find('.leave').addEventListener('click', () => ask({ do: 'leave' }));
find('.alert button').addEventListener('click', () => failed && failed());
find('.map').addEventListener('change', (event) => {
  viewer.showsHeat = event.target.checked;
  viewer.draw();
});
find('.invert').addEventListener('click', () => {
  viewer.inverted = !viewer.inverted;
  viewer.setWindow(viewer.level, viewer.width);
});
find('.reset').addEventListener('click', viewer.reset);
for (const name of ['level', 'width']) {
  find(`#${name}`).addEventListener('input', () => {
    viewer.setWindow(find('#level').value / 100, find('#width').value / 100);
  });
}
for (const each of element.querySelectorAll('[data-language]')) {
  each.addEventListener('click', () => speak(each.dataset.language));
}
warn('');
show(reply);
