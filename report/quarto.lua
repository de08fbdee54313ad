-- The Quarto constructs that the report uses, for plain pandoc: cross-references, alt texts, callouts,
-- content for one format. Quarto does all of this itself and does not load this file.
-- The document is filled before pandoc or Quarto reads it.

local NAMES = { fig = "Figure", tbl = "Table", sec = "Section" }
local NBSP = "\u{a0}"
local is_html = FORMAT:match("html") ~= nil

local function kind_of(id) return id:match("^(%l+)%-") end

local function complain(message) error("report: " .. message, 0) end

-- ids of figures, tables and sections → number, in the order of the text
local function number_all(doc)
  local numbers, counts, levels = {}, { fig = 0, tbl = 0 }, {}
  local function count(id, kind)
    if id == "" then complain("a figure or table has no identifier") end
    if numbers[id] then complain("the identifier " .. id .. " is used twice") end
    counts[kind] = counts[kind] + 1
    numbers[id] = tostring(counts[kind])
  end
  doc:walk({
    traverse = "topdown",
    Figure = function(figure) count(figure.identifier, "fig") end,
    Table = function(table_) count(table_.identifier, "tbl") end,
    Header = function(header)
      if header.classes:includes("unnumbered") then return end
      local level = header.level
      levels[level] = (levels[level] or 0) + 1
      for below = level + 1, 6 do levels[below] = nil end
      local parts = {}
      for i = 1, level do if levels[i] then parts[#parts + 1] = tostring(levels[i]) end end
      numbers[header.identifier] = table.concat(parts, ".")
    end,
  })
  return numbers
end

local function add_prefix(caption, id, numbers)
  local prefix = { pandoc.Strong(NAMES[kind_of(id)] .. NBSP .. numbers[id] .. "."), pandoc.Space() }
  local first = caption.long[1]
  if first == nil then complain(id .. " has no caption") end
  first.content = pandoc.Inlines(prefix) .. first.content
end

-- Typst keeps a table on one page unless told otherwise; a long one may go on overleaf.
local LONG = 12
local function breakable(element)
  local rows = 0
  for _, body in ipairs(element.bodies) do rows = rows + #body.body end
  if is_html or rows <= LONG then return element end
  return {
    pandoc.RawBlock("typst", "#[#show figure.where(kind: table): set block(breakable: true)"),
    element,
    pandoc.RawBlock("typst", "]"),
  }
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function image(element)
  if not exists(element.src) then complain("the image " .. element.src .. " does not exist") end
  local alt = element.attributes["fig-alt"]
  if not alt or alt == "" then complain("the image " .. element.src .. " has no fig-alt") end
  if not is_html then  -- pandoc gives Typst no alternative text
    local quoted = alt:gsub("\\", "\\\\"):gsub('"', '\\"')
    return pandoc.RawInline("typst", ('#image("%s", alt: "%s")'):format(element.src, quoted))
  end
  element.attributes["fig-alt"] = nil
  element.caption = { pandoc.Str(alt) }
  return element
end

local function reference(cite, numbers)
  local found = pandoc.Inlines({})
  for i, citation in ipairs(cite.citations) do
    local kind = kind_of(citation.id)
    if not NAMES[kind] then return nil end
    local number = numbers[citation.id]
    if not number then complain("unresolved cross-reference @" .. citation.id) end
    if i > 1 then found:extend({ pandoc.Str(","), pandoc.Space() }) end
    found:insert(pandoc.Link(NAMES[kind] .. NBSP .. number, "#" .. citation.id))
  end
  return found
end

local function callout(div)
  local kind = div.classes:find_if(function(class) return class:match("^callout%-") end)
  if not kind then return nil end
  local title = div.attributes.title or ""
  if is_html then
    local heading = pandoc.Div({ pandoc.Para({ pandoc.Str(title) }) }, { class = "callout-title" })
    return pandoc.Div({ heading } .. div.content, { class = "callout " .. kind })
  end
  local open = pandoc.RawBlock("typst", "#callout[" .. title .. "][")
  return pandoc.Blocks({ open }) .. div.content .. { pandoc.RawBlock("typst", "]") }
end

local function visible(div)
  if not div.classes:includes("content-visible") then return true end
  local only, unless = div.attributes["when-format"], div.attributes["unless-format"]
  if only then return (only == "html") == is_html end
  return (unless == "html") ~= is_html
end

local function div(element)
  if element.classes:includes("content-visible") then
    return visible(element) and element.content or {}
  end
  if element.classes:includes("scroll") and not is_html then return element.content end  -- floats leave no block
  return callout(element)
end

function Pandoc(doc)
  doc = doc:walk({ Div = div })
  local numbers = number_all(doc)
  return doc:walk({
    Figure = function(element) add_prefix(element.caption, element.identifier, numbers); return element end,
    Table = function(element)
      add_prefix(element.caption, element.identifier, numbers)
      return breakable(element)
    end,
    Image = image,
    Cite = function(cite) return reference(cite, numbers) end,
  })
end
