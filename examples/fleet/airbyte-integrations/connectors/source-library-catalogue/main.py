from source_library_catalogue.run import main

if __name__ == "__main__":
    main()
