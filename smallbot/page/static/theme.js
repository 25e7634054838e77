/**
 * Dark or light, before anything is painted: as the browser is set, or as was chosen here.
 * A plain script in the head, not a module, so that the page never flashes in the other colours.
 */
(() => {
  const root = document.documentElement;
  try {
    const kept = localStorage.getItem('smallbot-theme');
    if (kept === 'dark' || kept === 'light') root.dataset.theme = kept;
  } catch {
    /* a browser that keeps nothing follows its own setting */
  }

  document.addEventListener('click', (event) => {
    if (!event.target.closest('#theme')) return;
    const dark =
      getComputedStyle(root).colorScheme === 'dark' ||
      (!root.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
    root.dataset.theme = dark ? 'light' : 'dark';
    try {
      localStorage.setItem('smallbot-theme', root.dataset.theme);
    } catch {
      /* as above */
    }
    dispatchEvent(new Event('smallbot-theme'));
  });
})();
