{#- Models are tables of the lakehouse by now: `ref` finds them as sources. Names are in the session's catalog, so that a view means the
    same to an engine that calls the catalog something else. -#}
{% macro source(namespace, table) -%}
  {{ return(builtins.source(namespace, table).include(database=false)) }}
{%- endmacro %}

{% macro ref() -%}
  {%- set tables = @TABLES@ -%}
  {%- set name = varargs | last -%}
  {%- set table = tables.get(name, tables.get(name | lower)) -%}
  {%- if not table -%}
    {{ exceptions.raise_compiler_error("there is no model or silver table `" ~ name ~ "`") }}
  {%- endif -%}
  {{ return(source(table[0], table[1])) }}
{%- endmacro %}

{% macro asgard_quoted(names) -%}
  {%- set quoted = [] -%}
  {%- for name in ([names] if names is string else names) -%}{%- do quoted.append(adapter.quote(name)) -%}{%- endfor -%}
  {{ return(quoted) }}
{%- endmacro %}

{#- Rows that take the place of others have all columns of the table: one that they lack would lose its values. -#}
{% macro asgard_complete(target, dest_columns) -%}
  {%- set given = dest_columns | map(attribute="name") | map("lower") | list -%}
  {%- for column in adapter.get_columns_in_relation(target) if column.name | lower not in given -%}
    {{ exceptions.raise_compiler_error("the rows lack column `" ~ column.name ~ "` of the table, whose values would be lost where rows take the place of others: select `" ~ column.name ~ "` too, drop the column, or make the table anew") }}
  {%- endfor -%}
{%- endmacro %}

{#- One statement: no reader and no crash comes between deleting and inserting. Each row comes twice, once to be inserted, and the
    first of its key once more to delete what the table has of it. -#}
{% macro trino__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- if incremental_predicates -%}
    {{ exceptions.raise_compiler_error("delete+insert is one statement here, which takes no incremental_predicates") }}
  {%- endif -%}
  {%- do asgard_complete(target, dest_columns) -%}
  {%- set names = asgard_quoted(dest_columns | map(attribute="name") | list) -%}
  {%- set keys = asgard_quoted(unique_key) -%}
  merge into {{ target }} as asgard_target using (
    select asgard_rows.*, d.asgard_deletes
    from (
      select asgard_rows.*, row_number() over (partition by {{ keys | join(', ') }}) as asgard_ordinal
      from {{ source }} as asgard_rows
    ) as asgard_rows
    cross join (values true, false) as d (asgard_deletes)
    where not d.asgard_deletes or asgard_rows.asgard_ordinal = 1
  ) as asgard_rows
  on asgard_rows.asgard_deletes
    {%- for key in keys %} and asgard_target.{{ key }} = asgard_rows.{{ key }}{% endfor %}
  when matched then delete
  when not matched and not asgard_rows.asgard_deletes then insert ({{ names | join(', ') }})
  values ({% for name in names %}asgard_rows.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{#- A row is replaced as a whole. A model that says which columns are updated has dbt's own statement. -#}
{% macro trino__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- if incremental_predicates or config.get('merge_update_columns') or config.get('merge_exclude_columns') -%}
    {{ dbt_trino.trino__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) }}
  {%- else -%}
    {%- do asgard_complete(target, dest_columns) -%}
    {%- set names = asgard_quoted(dest_columns | map(attribute="name") | list) -%}
    {%- set keys = asgard_quoted(unique_key) -%}
    {%- set updates = [] -%}
    {%- for name in names if name | lower not in keys | map('lower') -%}
      {%- do updates.append(name ~ " = asgard_rows." ~ name) -%}
    {%- endfor -%}
    merge into {{ target }} as asgard_target using {{ source }} as asgard_rows
    on {% for key in keys %}asgard_target.{{ key }} = asgard_rows.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- if updates %}
    when matched then update set {{ updates | join(', ') }}
    {%- endif %}
    when not matched then insert ({{ names | join(', ') }})
    values ({% for name in names %}asgard_rows.{{ name }}{{ ', ' if not loop.last }}{% endfor %})
  {%- endif -%}
{%- endmacro %}
