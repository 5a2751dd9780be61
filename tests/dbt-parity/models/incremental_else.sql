{{ config(materialized="incremental") }}
SELECT {% if is_incremental() %}'more'{% else %}'all'{% endif %} AS run, {{ is_incremental() }} AS flag
