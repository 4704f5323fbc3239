// One grey film on a canvas: window, zoom and pan. Levels in, pixels out.
//
// makeViewer(stage, changed) draws into the <canvas> of `stage` and calls `changed()`
// when a gesture moved the window. Level and width are fractions of the grey range: what
// lies below level - width / 2 is black, what lies above level + width / 2 white.
function makeViewer(stage, changed) {
  const canvas = stage.querySelector('canvas');
  const brush = canvas.getContext('2d');
  const film = document.createElement('canvas'); // the film through its window
  const viewer = { level: 0.5, width: 1, inverted: false, showsHeat: true };
  let levels = null, heat = null, brightest = 255;
  let zoom = 1, left = 0, top = 0; // of the film on the canvas; zoom 1 fits
  let asked = false;

  viewer.show = (newLevels, height, width) => {
    levels = newLevels;
    brightest = levels.BYTES_PER_ELEMENT === 2 ? 65535 : 255;
    film.width = width;
    film.height = height;
    heat = null;
    viewer.reset();
  };
  viewer.layHeat = (picture) => { heat = picture; draw(); };
  viewer.clear = () => { levels = heat = null; draw(); };
  viewer.reset = () => {
    Object.assign(viewer, { level: 0.5, width: 1, inverted: false });
    zoom = 1;
    left = top = 0;
    viewer.develop();
    changed();
  };

  viewer.develop = () => { // levels -> greys, through one table
    if (!levels) return;
    const table = new Uint8ClampedArray(brightest + 1);
    const low = viewer.level - viewer.width / 2;
    for (let level = 0; level <= brightest; level += 1) {
      const grey = 255 * (level / brightest - low) / viewer.width;
      table[level] = viewer.inverted ? 255 - Math.min(255, Math.max(0, grey)) : grey;
    }
    const image = new ImageData(film.width, film.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < levels.length; i += 1) {
      pixels[i] = 0xff000000 | (table[levels[i]] * 0x010101);
    }
    film.getContext('2d').putImageData(image, 0, 0);
    draw();
  };

  function fit() { // pixels of the canvas a pixel of the film at zoom 1
    return Math.min(canvas.width / film.width, canvas.height / film.height);
  }

  function draw() { // at most once a frame
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const sharp = window.devicePixelRatio || 1;
      const [wide, high] = [stage.clientWidth * sharp, stage.clientHeight * sharp];
      if (canvas.width !== Math.round(wide) || canvas.height !== Math.round(high)) {
        canvas.width = Math.round(wide);
        canvas.height = Math.round(high);
      }
      brush.setTransform(1, 0, 0, 1, 0, 0);
      brush.clearRect(0, 0, canvas.width, canvas.height);
      if (!levels) return;
      const scale = fit() * zoom;
      keepInSight(scale);
      brush.imageSmoothingQuality = 'high';
      const [x, y] = [canvas.width / 2 + left, canvas.height / 2 + top];
      brush.setTransform(scale, 0, 0, scale, x, y);
      const place = [-film.width / 2, -film.height / 2, film.width, film.height];
      brush.drawImage(film, ...place);
      if (heat && viewer.showsHeat) brush.drawImage(heat, ...place);
    });
  }
  viewer.draw = draw;

  function keepInSight(scale) { // half of the film stays on the canvas
    const [wide, high] = [film.width * scale / 2, film.height * scale / 2];
    left = Math.min(wide, Math.max(-wide, left));
    top = Math.min(high, Math.max(-high, top));
  }

  function zoomAt(factor, x, y) { // what lies under (x, y) stays there
    const before = zoom;
    zoom = Math.min(20, Math.max(0.5, zoom * factor));
    const [dx, dy] = [x - canvas.width / 2, y - canvas.height / 2];
    left = dx - (dx - left) * zoom / before;
    top = dy - (dy - top) * zoom / before;
    draw();
  }
  viewer.zoomBy = (factor) => zoomAt(factor, canvas.width / 2, canvas.height / 2);

  viewer.setWindow = (level, width) => {
    viewer.level = Math.min(1, Math.max(0, level));
    viewer.width = Math.min(2, Math.max(0.02, width));
    viewer.develop();
    changed();
  };

  const fingers = new Map(); // pointers that are down, by id
  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    const sharp = canvas.width / box.width;
    return [(event.clientX - box.left) * sharp, (event.clientY - box.top) * sharp];
  };
  stage.addEventListener('contextmenu', (event) => event.preventDefault());
  stage.addEventListener('dblclick', viewer.reset);
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY / 500), ...where(event));
  }, { passive: false });
  stage.addEventListener('pointerdown', (event) => {
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { at: where(event), button: event.button });
  });
  for (const end of ['pointerup', 'pointercancel']) {
    stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  stage.addEventListener('pointermove', (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger || !levels) return;
    const [from, to] = [finger.at, where(event)];
    finger.at = to;
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const other = [...fingers.values()].find((each) => each !== finger);
    if (other) { // two fingers: pinch
      const span = (at) => Math.hypot(at[0] - other.at[0], at[1] - other.at[1]);
      zoomAt(span(to) / Math.max(1, span(from)), ...other.at);
    } else if (finger.button === 2) { // right: across width, down level
      const unit = Math.max(300, canvas.height);
      viewer.setWindow(viewer.level + dy / unit, viewer.width + dx / unit);
    } else {
      left += dx;
      top += dy;
      draw();
    }
  });
  new ResizeObserver(draw).observe(stage);
  return viewer;
}
