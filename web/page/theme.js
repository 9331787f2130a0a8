/* Before the first paint: the reader's own choice of light or dark, where there is one. */
{
  const theme = localStorage.getItem("livecharts.theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
