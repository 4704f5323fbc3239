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

function checkAnswer() {
  find('.answer .main').disabled = busy || !shown || readAnswer() === null;
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
  const answer = readAnswer();
  if (busy || !answer || reply.screen !== 'film' || !shown) return;
  const agree = answer.decision ? answer.rating >= 50 : answer.rating <= 50;
  if (!agree && !sure) {
    sure = true;
    const decision = say(answer.decision ? 'rds' : 'no_rds');
    warn('mismatch', { decision, rating: answer.rating });
    return;
  }
  const place = { session: reply.session, case: reply.case, step: reply.step };
  ask({ do: 'answer', ...place, ...answer });
}

function speak(language) {
  tongue = language;
  localStorage.setItem('tongue', tongue);
  writeWords();
  warn('');
  writeRating();
}

const KEYS = {
  KeyR: () => setDecision(1),
  KeyN: () => setDecision(0),
  ArrowUp: () => setRating(rated(5)),
  ArrowDown: () => setRating(rated(-5)),
  Enter: confirmAnswer,
  KeyI: () => find('.invert').click(),
  KeyM: () => reply.model && find('.map').click(),
  Digit0: () => viewer.reset(),
  Equal: () => viewer.zoomBy(1.25),
  Minus: () => viewer.zoomBy(0.8),
};
const rated = (step) => rating.classList.contains('unset') ? 50
  : Math.min(100, Math.max(0, Number(rating.value) + step));

document.addEventListener('keydown', (event) => {
  const key = KEYS[event.code] || KEYS[event.code.replace('Numpad', '')];
  if (reply.screen !== 'film' || !key || event.repeat && event.code === 'Enter') return;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.tagName === 'BUTTON' && event.code === 'Enter') return;
  event.preventDefault();
  key();
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
rating.addEventListener('pointerdown', () => rating.classList.remove('unset'));
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
for (const each of element.querySelectorAll('[data-tongue]')) {
  each.addEventListener('click', () => speak(each.dataset.tongue));
}
warn('');
show(reply);
