SELECT {{ nothing | default('x') }}, {{ '' | default('y', true) }}, {{ none | default('z', true) }}, {{ var('limits').absent | default(0) }}, {{ 'a' | d('b') }}
