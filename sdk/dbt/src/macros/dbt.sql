{#- What dbt's namespace `dbt` prints on Trino, to the space: dates, texts, casts, aggregates, types. -#}

{# dates -#}
{% macro current_timestamp() -%} current_timestamp {%- endmacro %}
{% macro date_trunc(datepart, date) -%} date_trunc('{{ datepart }}', {{ date }}) {%- endmacro %}
{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
    date_add('{{ datepart }}', {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}
{% macro last_day(date, datepart) -%}
    cast(
        {{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }}
        as date)
{%- endmacro %}

{#- Every part below a year is counted from the next larger one; weeks from days, by whether a Sunday is crossed. -#}
{% macro datediff(first_date, second_date, datepart) -%}
    {%- set first, second = 'CAST(' ~ first_date ~ ' AS TIMESTAMP)', 'CAST(' ~ second_date ~ ' AS TIMESTAMP)' -%}
    {%- set larger = {'quarter': ['year', 4], 'month': ['year', 12], 'hour': ['day', 24], 'minute': ['hour', 60], 'second': ['minute', 60]} -%}
    {%- if datepart == 'year' -%}
        (year({{ second }}) - year({{ first }}))
    {%- elif datepart == 'day' -%}
        ((to_milliseconds((CAST({{ second }} AS DATE) - CAST({{ first }} AS DATE)))) / 86400000)
    {%- elif datepart == 'millisecond' -%}
        (to_milliseconds(({{ second }} - {{ first }})))
    {%- elif datepart == 'week' -%}
         ({{ datediff(first_date, second_date, 'day') }} / 7 + case
            when dow({{ first }}) <= dow({{ second }}) then
                case when {{ first_date }} <= {{ second_date }} then 0 else -1 end
            else
                case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
        end)
    {%- elif datepart in larger -%}
        {%- set part, times = larger[datepart] -%}
        ({{ datediff(first_date, second_date, part) }} * {{ times }}{{ ')' if part == 'year' }} + {{ datepart }}({{ second }}) - {{ datepart }}({{ first }}){{ ')' if part != 'year' }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("there is no part `" ~ datepart ~ "` of a date: expected year, quarter, month, week, day, hour, minute, second or millisecond") }}
    {%- endif -%}
{%- endmacro %}

{# texts -#}
{% macro concat(fields) -%} {{ fields | join(' || ') }} {%- endmacro %}
{% macro string_literal(value) -%} '{{ value }}' {%- endmacro %}
{% macro escape_single_quotes(expression) -%} {{ expression | replace("'", "''") }} {%- endmacro %}
{% macro hash(field) -%} lower(to_hex(md5(to_utf8(cast({{ field }} as varchar))))) {%- endmacro %}
{% macro length(expression) %}

    length(
        {{ expression }}
    )

{%- endmacro %}
{% macro position(substring_text, string_text) %}

    position(
        {{ substring_text }} in {{ string_text }}
    )

{%- endmacro %}
{% macro replace(field, old_chars, new_chars) %}

    replace(
        {{ field }},
        {{ old_chars }},
        {{ new_chars }}
    )


{% endmacro %}
{% macro right(string_text, length_expression) %}
    case when {{ length_expression }} = 0
        then ''
    else
        substr({{ string_text }}, -1 * ({{ length_expression }}))
    end
{%- endmacro %}
{% macro split_part(string_text, delimiter_text, part_number) %}


    split_part(
        {{ string_text }},
        {{ delimiter_text }},
        {% if part_number >= 0 -%}
        {{ part_number }}
        {%- else %}  length({{ string_text }})
          - length(
              replace({{ string_text }},  {{ delimiter_text }}, '')
          ) + 2 + {{ part_number }}
        {%- endif %}
        )


{% endmacro %}

{# casts and types -#}
{% macro cast(field, type) %}
    cast({{ field }} as {{ type }})
{% endmacro %}
{% macro safe_cast(field, type) -%} try_cast({{ field }} as {{ type }}) {%- endmacro %}
{% macro cast_bool_to_text(field) %}

    cast({{ field }} as {{ translate_type('string') }})

{% endmacro %}
{% macro type_string() -%} varchar {%- endmacro %}
{% macro type_int() -%} integer {%- endmacro %}
{% macro type_bigint() -%} bigint {%- endmacro %}
{% macro type_float() -%} double {%- endmacro %}
{% macro type_numeric() -%} decimal(28, 6) {%- endmacro %}
{% macro type_timestamp() -%} {{ translate_type('timestamp') }} {%- endmacro %}
{% macro type_boolean() -%} {{ translate_type('boolean') }} {%- endmacro %}
{% macro translate_type(type) -%}
    {{ {'STRING': 'VARCHAR', 'FLOAT': 'DOUBLE'}.get(type | upper, type) }}
{%- endmacro %}

{# aggregates and sets -#}
{% macro any_value(expression) -%} min({{ expression }}) {%- endmacro %}
{% macro bool_or(expression) -%} bool_or({{ expression }}) {%- endmacro %}
{% macro listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) -%}
    {%- set collected %} array_agg({{ measure }} {{ order_by_clause or '' }}) {% endset -%}
    {%- set collected = (' slice(' ~ collected ~ ', 1, ' ~ limit_num ~ ') ') if limit_num else collected %} array_join({{ collected }}, {{ delimiter_text }}) {% endmacro %}
{% macro except() %}

    except

{% endmacro %}
{% macro intersect() %}

    intersect

{% endmacro %}
{% macro equals(expr1, expr2) -%}
    ({{ expr1 }} = {{ expr2 }})
{% endmacro %}

{# arrays and series -#}
{% macro array_construct(inputs=[], data_type=none) -%}
    {%- if inputs -%} array[ {{ inputs | join(' , ') }} ] {%- else -%} null {%- endif -%}
{%- endmacro %}
{% macro array_concat(array_1, array_2) -%} concat({{ array_1 }}, {{ array_2 }}) {%- endmacro %}
{% macro array_append(array, new_element) -%} {{ array_concat(array, array_construct([new_element])) }} {%- endmacro %}
{% macro get_powers_of_two(upper_bound) -%}
    {%- if upper_bound <= 0 -%}
        {{ exceptions.raise_compiler_error("upper bound must be positive") }}
    {%- endif -%}
    {%- set found = namespace(power=0) -%}
    {%- for power in range(1, 100) if found.power == 0 and upper_bound <= 2 ** power -%}
        {%- if loop.first -%}{{ power }}{%- endif -%}
    {%- endfor -%}
{%- endmacro %}
{% macro generate_series(upper_bound) %}
    {%- set n = get_powers_of_two(upper_bound) | int %}



    with p as (
        select 0 as generated_number union all select 1
    ), unioned as (

    select

    {% for i in range(n) %}
    p{{ i }}.generated_number * power(2, {{ i }})
    {% if not loop.last %} + {% endif %}
    {% endfor %}
    + 1
    as generated_number

    from

    {% for i in range(n) %}
    p as p{{ i }}
    {% if not loop.last %} cross join {% endif %}
    {% endfor %}

    )

    select *
    from unioned
    where generated_number <= {{ upper_bound }}
    order by generated_number

{% endmacro %}
