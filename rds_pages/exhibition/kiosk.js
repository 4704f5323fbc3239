// `?kiosk=120` begins anew after 120 seconds without a visitor, `?lang=ko` in Korean.
const kiosk = Number(new URLSearchParams(location.search).get('kiosk'));
if (kiosk > 0) {
  let idle;
  const touch = () => {
    clearTimeout(idle);
    idle = setTimeout(() => location.reload(), 1000 * kiosk);
  };
  for (const kind of ['pointerdown', 'keydown', 'drop', 'wheel']) {
    addEventListener(kind, touch);
  }
  addEventListener('contextmenu', (event) => event.preventDefault());
}
