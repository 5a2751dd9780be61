{#- What models use of the package dbt_utils, as far as it is text. Macros that ask the engine, such as `star`, are not here. -#}

{% macro generate_surrogate_key(field_list) -%}
    {%- set parts = namespace(fields=[]) -%}
    {%- for field in field_list -%}
        {%- set part = "coalesce(cast(" ~ field ~ " as " ~ dbt.type_string() ~ "), '_dbt_utils_surrogate_key_null_')" -%}
        {%- set parts.fields = parts.fields + ([part] if loop.first else ["'-'", part]) -%}
    {%- endfor -%}
    {{ dbt.hash(dbt.concat(parts.fields)) }}
{%- endmacro %}

{% macro safe_divide(numerator, denominator) -%}
    ( {{ numerator }} ) / nullif( ( {{ denominator }} ), 0)
{%- endmacro %}

{% macro safe_add(field_list) -%}
    {%- for field in field_list -%}
        coalesce({{ field }}, 0){{ ' + ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro safe_subtract(field_list) -%}
    {%- for field in field_list -%}
        coalesce({{ field }}, 0){{ ' - ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro group_by(n) -%}
    group by {% for column in range(1, n + 1) -%}{{ column }}{{ ',' if not loop.last }}{%- endfor -%}
{%- endmacro %}

{% macro pivot(column, values, alias=True, agg='sum', cmp='=', prefix='', suffix='', then_value=1, else_value=0, quote_identifiers=True, distinct=False) -%}
    {%- for value in values %}
    {{ agg }}({{ 'distinct ' if distinct }}case when {{ column }} {{ cmp }} '{{ dbt.escape_single_quotes(value) }}' then {{ then_value }} else {{ else_value }} end)
    {%- if alias %} as {{ adapter.quote(prefix ~ value ~ suffix) if quote_identifiers else prefix ~ value ~ suffix }}{%- endif -%}
    {{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The start is in it, the end is not. -#}
{% macro date_spine(datepart, start_date, end_date) -%}
    {%- set steps = {'quarter': "'3' month", 'week': "'7' day"} -%}
    {%- set type = 'timestamp' if datepart in ('hour', 'minute', 'second') else 'date' -%}
    select date_{{ datepart }}
    from unnest(sequence(cast({{ start_date }} as {{ type }}), cast({{ end_date }} as {{ type }}), interval {{ steps.get(datepart, "'1' " ~ datepart) }})) as spine (date_{{ datepart }})
    where date_{{ datepart }} < cast({{ end_date }} as {{ type }})
{%- endmacro %}

{% macro generate_series(upper_bound) -%}
    {{ dbt.generate_series(upper_bound) }}
{%- endmacro %}

{% macro width_bucket(expr, min_value, max_value, num_buckets) -%}
    width_bucket({{ expr }}, {{ min_value }}, {{ max_value }}, {{ num_buckets }})
{%- endmacro %}

{% macro haversine_distance(lat1, lon1, lat2, lon2, unit='mi') -%}
    {%- if unit not in ('mi', 'km') -%}
        {{ exceptions.raise_compiler_error("unit is `" ~ unit ~ "`: expected mi or km") }}
    {%- endif -%}
    2 * 3961 * asin(sqrt(power(sin(radians(({{ lat2 }} - {{ lat1 }}) / 2)), 2)
        + cos(radians({{ lat1 }})) * cos(radians({{ lat2 }})) * power(sin(radians(({{ lon2 }} - {{ lon1 }}) / 2)), 2))){{ ' * 1.60934' if unit == 'km' }}
{%- endmacro %}

{% macro get_url_parameter(field, url_parameter) -%}
    nullif(split_part(split_part({{ field }}, '{{ url_parameter }}=', 2), '&', 1), '')
{%- endmacro %}

{% macro get_url_host(field) -%}
    split_part(split_part(regexp_replace({{ field }}, '^(android-app|https?)://', ''), '/', 1), '?', 1)
{%- endmacro %}
