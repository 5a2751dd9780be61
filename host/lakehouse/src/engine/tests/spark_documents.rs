//! Spark's functions of JSON, CSV, XML and variants.

use asgard_contract::lakehouse::Dialect::Spark;

use super::TestLakehouse;

#[tokio::test]
async fn json_is_taken_apart() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        (r#"get_json_object('{"a":[1,2.50,{"b":"é"}]}', '$.a'), get_json_object('{"a":null}', '$.a') IS NULL"#, r#"[1,2.5,{"b":"é"}] | true"#),
        (r#"get_json_object('{"a":1', '$.a') IS NULL, get_json_object('x', '$'), get_json_object('{"a":"b"} tail', '$.a')"#, "true | NULL | b"),
        ("json_array_length('[]'), json_array_length('{}'), json_array_length(NULL), json_object_keys('[]')", "0 | NULL | NULL | NULL"),
        (r#"json_tuple('{"a":1,"b":"x","c":[1]}', 'a', 'b', 'c', 'd')"#, "1 | x | [1] | NULL"),
        (r#"from_json('{"a":1,"b":"x"}', 'a INT, b STRING').b"#, "x"),
        (r#"from_json('{"a":"x","b":2}', 'a INT, b INT')"#, "{a: NULL, b: 2}"),
        (r#"from_json('{"a":3000000000}', 'a INT').a IS NULL, from_json('[1', 'a INT') IS NULL, from_json('', 'a INT') IS NULL"#, "true | false | true"),
        (r#"from_json('[1,2,null]', 'array<int>'), from_json('{"x":1}', 'map<string,int>'), from_json('[1,"a"]', 'array<int>') IS NULL"#, "[1, 2, NULL] | {x: 1} | true"),
        (r#"from_json('{"a":{"b":1.50}}', 'a STRING').a, from_json('{"d":"2024-05-01","t":"2024-05-01T10:00:00Z"}', 'd DATE, t TIMESTAMP').t"#, r#"{"b":1.50} | 2024-05-01T10:00:00Z"#),
        (r#"from_json('{"t":"26/08/2015"}', 't TIMESTAMP', map_from_arrays(array('timestampFormat'), array('dd/MM/yyyy'))).t"#, "2015-08-26T00:00:00Z"),
        (r#"from_json('{"a":1.005,"b":"NaN"}', 'a DECIMAL(5,2), b DOUBLE')"#, "{a: 1.01, b: NaN}"),
        ("to_json(named_struct('a', CAST(NULL AS INT), 'b', 'q\"', 'c', 1.50, 'd', 0.1D, 'e', true))", r#"{"b":"q\"","c":1.50,"d":0.1,"e":true}"#),
        ("to_json(named_struct('t', TIMESTAMP '2024-05-01 10:00:00.5', 'd', DATE '2024-05-01', 'l', array(1, NULL)))", r#"{"t":"2024-05-01T10:00:00.500Z","d":"2024-05-01","l":[1,null]}"#),
        ("to_json(map_from_arrays(array('a', 'b'), array(1, 2))), to_json(array(named_struct('x', 'y')))", r#"{"a":1,"b":2} | [{"x":"y"}]"#),
        (r#"schema_of_json('{"b":[1,2.5],"a":null,"c d":{"x":true}}'), schema_of_json('[]')"#, "STRUCT<a: STRING, b: ARRAY<DOUBLE>, `c d`: STRUCT<x: BOOLEAN>> | ARRAY<STRING>"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            (r#"from_json('{}', 'a')"#, "is no schema"),
            (r#"from_json('{}', 'INT')"#, "the schema is columns"),
            (r#"from_json('{}', s) FROM (SELECT 'a INT' AS s)"#, "written out"),
            (
                r#"from_json('x', 'a INT', map_from_arrays(array('mode'), array('FAILFAST')))"#,
                "does not have the schema",
            ),
            (
                r#"from_json('{}', 'a INT', map_from_arrays(array('pretty'), array('true')))"#,
                "`pretty` is not supported",
            ),
            ("to_json(1)", "takes a struct"),
            ("schema_of_json('{a')", "is no JSON"),
        ],
    )
    .await;
    assert_eq!(
        test.types(Spark, "SELECT from_json('{}', 'Name STRING, n ARRAY<INT>') AS j").await,
        ["j struct<Name:string,n:list<int>>"]
    );
}

#[tokio::test]
async fn csv_and_xml_are_taken_apart() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        ("from_csv('1,\"a,b\",', 'a INT, b STRING, c STRING')", "{a: 1, b: a,b, c: NULL}"),
        ("from_csv('x,2', 'a INT, b INT'), from_csv('1', 'a INT, b INT'), from_csv(NULL, 'a INT') IS NULL", "{a: NULL, b: 2} | {a: 1, b: NULL} | true"),
        ("from_csv('1|2', 'a INT, b INT', map_from_arrays(array('sep'), array('|'))).b", "2"),
        ("to_csv(named_struct('a', 'x,y', 'b', CAST(NULL AS INT), 'c', DATE '2024-05-01', 'd', 1.5D))", "\"x,y\",,2024-05-01,1.5"),
        ("schema_of_csv('1,3000000000,1.5,x,true,2024-05-01,')", "STRUCT<_c0: INT, _c1: BIGINT, _c2: DOUBLE, _c3: STRING, _c4: BOOLEAN, _c5: DATE, _c6: STRING>"),
        ("from_xml('<r id=\"7\"><a> 1 </a><b>x</b><b>y</b></r>', '_id INT, a INT, b ARRAY<STRING>')", "{_id: 7, a: 1, b: [x, y]}"),
        ("from_xml('<r><a>z</a></r>', 'a INT, b INT'), from_xml('<r', 'a INT') IS NULL", "{a: NULL, b: NULL} | false"),
        ("schema_of_xml('<r><a>1</a><a>2.5</a><b c=\"x\">t</b></r>')", "STRUCT<a: ARRAY<DOUBLE>, b: STRUCT<_VALUE: STRING, _c: STRING>>"),
        ("to_xml(named_struct('a', '<&', 'b', array(1, 2), 'c', named_struct('d', true)))", "<ROW>\n    <a>&lt;&amp;</a>\n    <b>1</b>\n    <b>2</b>\n    <c>\n        <d>true</d>\n    </c>\n</ROW>"),
        ("xpath('<a><b x=\"1\">t</b><b/></a>', 'a/b/@x'), xpath_int('<a>x</a>', 'a'), xpath_string('<a/>', 'b') = '', xpath_boolean('', 'a')", "[1] | 0 | true | NULL"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            ("xpath_string('<a', 'a')", "is no XML"),
            ("xpath_string('<a/>', '$x')", "is no XPath"),
            ("xpath('<a/>', 'count(a)')", "path to nodes"),
            ("from_csv('1', 'a ARRAY<INT>')", "has parts"),
            ("to_csv(1)", "takes a struct"),
        ],
    )
    .await;
}

#[tokio::test]
async fn variants_stand_between_functions_and_in_no_table() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        (r#"variant_get(parse_json('{"a":[1,{"b":"x"}]}'), '$.a[1].b', 'string'), variant_get(parse_json('{"a b":1.50}'), '$["a b"]', 'string')"#, "x | 1.5"),
        (r#"variant_get(parse_json('1.9'), '$', 'int'), variant_get(parse_json('"7"'), '$', 'int'), variant_get(parse_json('true'), '$', 'string')"#, "1 | 7 | true"),
        (r#"try_variant_get(parse_json('"x"'), '$', 'int') IS NULL, variant_get(parse_json('null'), '$', 'int') IS NULL"#, "true | true"),
        (r#"schema_of_variant(parse_json('{"b":[1,"x"],"a":1e3}')), is_variant_null(parse_json('null')), is_variant_null(try_parse_json('{'))"#, "OBJECT<a: DOUBLE, b: ARRAY<VARIANT>> | true | false"),
        (r#"to_json(parse_json('{"b":1,"a":[null]}')), variant_get(to_variant_object(named_struct('a', 5)), '$.a', 'int')"#, r#"{"a":[null],"b":1} | 5"#),
        (r#"typeof(parse_json('1'))"#, "variant"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            ("parse_json('1') AS v", "the column `v` is a variant"),
            ("is_variant_null(parse_json('{'))", "try_parse_json"),
            (r#"is_variant_null(parse_json('{"a":1,"a":2}'))"#, "is no JSON"),
            (r#"variant_get(parse_json('"x"'), '$', 'int')"#, "try_variant_get"),
            (r#"variant_get(parse_json('1'), 'a', 'int')"#, "is no path"),
            (r#"variant_get('1', '$', 'int')"#, "expected a variant"),
        ],
    )
    .await;
}
