// A table that is wider than the page can be scrolled by the keyboard too: the theme's frames take no focus by themselves.
new MutationObserver(() => {
  for (const frame of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex]), .lanes:not([tabindex])")) frame.tabIndex = 0;
}).observe(document.body, { childList: true, subtree: true });
